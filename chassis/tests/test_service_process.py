"""A service as a real process: health, metrics, log lines, draining."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import wait_until
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.contracts.routes import ASSET_CHANGED, CACHES_INVALIDATED, CHANGES

TIMEOUT_S = 30.0


class Running:
    def __init__(self, nats_url: str, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.log_path = directory / "cache.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPSWIRE_")}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "opswire.cache"],
                env=environment
                | {"OPSWIRE_NATS_URL": nats_url, "OPSWIRE_STATE_DIR": str(directory)}
                | dict(settings or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = self.wait(lambda: next((line["port"] for line in self.lines() if line["event"] == "ready"), None))

    def lines(self) -> list[dict[str, Any]]:
        """The whole lines that it wrote; every one is JSON."""
        whole = self.log_path.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def wait(self, seen: Callable[[], Any]) -> Any:
        found: Any = None

        def is_seen() -> bool:
            nonlocal found
            assert self.process.poll() is None, self.log_path.read_text()
            found = seen()
            return found is not None and found is not False

        wait_until(is_seen, self.log_path.read_text)
        return found

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", None, 5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def cache_service(nats_server: NatsServer, tmp_path: Path) -> Iterator[Running]:
    running = Running(nats_server.url, tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


async def test_a_message_is_counted_and_sigterm_drains(cache_service: Running, upstream: Upstream) -> None:
    assert cache_service.get("/health/live")[0] == 200
    status, text = cache_service.get("/health/ready")
    assert (status, json.loads(text)["parts"]["broker"]) == (200, "ok")
    asset = Asset(id="a1", name="web-01", type="host", environment="test")
    change = AssetChanged(asset_id="a1", kind="created", generation=1, asset=asset, changed_ns=1)
    await upstream.client.jetstream().publish(ASSET_CHANGED.subject(asset_id="a1"), change.to_bytes())
    (body,) = await upstream.read(CACHES_INVALIDATED.template, 1, 20, CHANGES)
    assert "asset:a1" in json.loads(body)["tags"]
    wanted = [
        'opswire_messages_handled_total{message="asset_changed",outcome="ack"} 1.0',
        "opswire_cache_invalidations_published_total 1.0",
        'messaging_process_duration_seconds_count{error_type="",messaging_consumer_group_name="cache-asset-changed",'
        'messaging_destination_template="opswire.changes.v1.asset.{asset_id}",messaging_operation_name="process",'
        'messaging_system="nats"} 1.0',
        "opswire_spans_dropped_total 0.0",
    ]
    cache_service.wait(lambda: all(line in cache_service.get("/metrics")[1] for line in wanted))
    cache_service.process.send_signal(signal.SIGTERM)
    assert cache_service.process.wait(TIMEOUT_S) == 0
    assert [line["event"] for line in cache_service.lines()][-1] == "drained"


def samples_of_the_loop(running: Running) -> float:
    """How often it looked how late its loop is: ten times a second."""
    found = re.search(r"^opswire_event_loop_lag_seconds_count (\S+)$", running.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_without_telemetry_messages_are_handled_and_no_span_is_counted(
    nats_server: NatsServer, upstream: Upstream, tmp_path: Path
) -> None:
    running = Running(nats_server.url, tmp_path, {"OPSWIRE_TELEMETRY": "off"})
    try:
        asset = Asset(id="a2", name="web-02", type="host", environment="test")
        change = AssetChanged(asset_id="a2", kind="created", generation=1, asset=asset, changed_ns=1)
        await upstream.client.jetstream().publish(ASSET_CHANGED.subject(asset_id="a2"), change.to_bytes())
        handled = 'opswire_messages_handled_total{message="asset_changed",outcome="ack"} 1.0'
        running.wait(lambda: handled in running.get("/metrics")[1])
        # By its own clock long enough for the exporter's next turn, had it one.
        seen = samples_of_the_loop(running)
        running.wait(lambda: samples_of_the_loop(running) >= seen + 6)
        assert "messaging_process_duration_seconds_count" not in running.get("/metrics")[1]
    finally:
        running.process.kill()
        running.process.wait()


def test_ready_says_what_is_wrong_while_the_broker_is_away_and_recovers(
    cache_service: Running, nats_server: NatsServer
) -> None:
    nats_server.kill()
    cache_service.wait(lambda: cache_service.get("/health/ready")[0] == 503)
    body = json.loads(cache_service.get("/health/ready")[1])
    assert body["status"] == "unavailable"
    assert "not connected" in body["parts"]["broker"]
    assert cache_service.get("/health/live")[0] == 200
    nats_server.start()
    cache_service.wait(lambda: cache_service.get("/health/ready")[0] == 200)


def test_sigterm_while_the_broker_is_away_still_ends_in_order(cache_service: Running, nats_server: NatsServer) -> None:
    nats_server.kill()
    cache_service.wait(lambda: cache_service.get("/health/ready")[0] == 503)
    cache_service.process.send_signal(signal.SIGTERM)
    assert cache_service.process.wait(TIMEOUT_S) == 0, cache_service.log_path.read_text()


async def test_a_poison_message_is_logged_with_its_service_and_trace(
    cache_service: Running, upstream: Upstream
) -> None:
    await upstream.client.jetstream().publish(ASSET_CHANGED.subject(asset_id="a1"), b"{")
    parked = await upstream.read("opswire.parked.v1.cache.*", 1, 20, "OPSWIRE_PARKED")
    assert json.loads(parked[0])["code"] == "body_not_json"
    line = cache_service.wait(
        lambda: next((line for line in cache_service.lines() if line["event"] == "message parked"), None)
    )
    assert (line["service"], line["level"]) == ("cache", "warning")
    assert len(line["trace_id"]) == 32
    assert len(line["span_id"]) == 16


LOGGING = """
import logging, sys
from opswire.chassis.logs import configure_logs, get_logger
from opswire.chassis.telemetry import remote_child
configure_logs("intent", "INFO")
with remote_child("process", None, "test/r1", {}) as current:
    get_logger().info("begun", password="s3cret", API_TOKEN="s3cret", nested={"token": "s3cret"}, rows=3)
    print(current.trace_id)
get_logger().debug("not shown")
logging.getLogger("somebody.else").warning("careful %s", "now")
try:
    1 / 0
except ZeroDivisionError:
    get_logger().exception("failed")
"""


def test_log_lines_are_json_with_trace_and_request_and_without_secrets() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    begun, trace_id, library, failed = done.stdout.splitlines()
    line = json.loads(begun)
    assert (line["service"], line["level"], line["request"], line["rows"]) == ("intent", "info", "test/r1", 3)
    assert line["trace_id"] == trace_id
    assert "s3cret" not in done.stdout + done.stderr
    assert json.loads(library) | {"event": "careful now", "level": "warning", "service": "intent"} == json.loads(
        library
    )
    assert "ZeroDivisionError" in json.loads(failed)["exception"]
