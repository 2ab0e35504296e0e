"""The ledger's process: it books by itself, takes OTLP spans into the same rows, counts, and serves the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import end, spawn
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.waiting import wait_until
from opswire.cli.errors import CommandError
from opswire.cli.latency import open_rows
from opswire.cli.latency_server import served_page
from opswire.cli.ledger_metrics import LedgerMetrics
from opswire.cli.ledger_process import EXIT_CANNOT_START
from opswire.cli.stack import LEDGER
from opswire.cli.state import RunRecord
from opswire.ledger.store import read_request

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from latency_store import REQUESTS, fill

TOKEN = "token-of-a-test"
WAIT_S = 60.0


def asked(url: str, token: str | None = None, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def asked_metrics(url: str) -> str:
    return asked(f"{url}/metrics")[1].decode()


@contextmanager
def ledger(folder: Path, **settings: str) -> Iterator[str]:
    """The process on `folder`, once it is ready; its address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPSWIRE_")} | {
        "OPSWIRE_STATE_DIR": str(folder),
        "OPSWIRE_TRACE_STORE": str(folder / "traces.db"),
        "OPSWIRE_HTTP_PORT": str(port),
        "OPSWIRE_HTTP_TOKEN": TOKEN,
        "OPSWIRE_LEDGER_COUNTED_AFTER_S": "0",
    }
    log = folder / "ledger.log"
    process: subprocess.Popen[bytes] = spawn(
        [sys.executable, "-m", "opswire.cli.ledger_process"], log, environment | settings
    )
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            return asked(f"{url}/health/ready")[0] == 200
        except OSError:
            return False

    try:
        wait_until(is_ready, lambda: log.read_text(), WAIT_S)
        yield url
    finally:
        assert end(process) == 0


def booked(folder: Path) -> int:
    with closing(open_rows(f"sqlite:///{folder / 'ledger.sqlite3'}").database) as database, database.transaction():
        return int(database.execute("SELECT COUNT(*) FROM request").fetchone()[0])


def otlp(key: str, start_ns: int, end_ns: int) -> bytes:
    """One request of another program, as its exporter sends it: taken, and its outcome published."""

    def span(span_id: str, parent: str, kind: int, name: str, start: int, until: int, **said: Any) -> dict[str, Any]:
        texts = {"opswire.request_key": key, "messaging.destination.template": name.partition(" ")[2]} | said
        attributes = [{"key": name, "value": {"stringValue": value}} for name, value in texts.items()]
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(until)}
        ids = {"traceId": "ab" * 16, "spanId": span_id, "parentSpanId": parent}
        return {**ids, **times, "kind": kind, "name": name, "attributes": attributes}

    template = "opswire.v1.{source}.{request_id}."
    stage = {"opswire.stage": "executor.compute"}
    taken = span("01" * 8, "", 5, f"process {template}submitted", start_ns, end_ns, **stage)
    send = span("02" * 8, "01" * 8, 4, f"send {template}finished", end_ns - 1_000_000, end_ns)
    service = [{"key": "service.name", "value": {"stringValue": "executor"}}]
    spans = {"resource": {"attributes": service}, "scopeSpans": [{"spans": [taken, send]}]}
    return json.dumps({"resourceSpans": [spans]}).encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("ledger")
    fill(folder / "traces.db")
    with ledger(folder) as url:
        yield url, folder


def test_it_books_what_finished_without_being_asked(running: tuple[str, Path]) -> None:
    url, folder = running
    wait_until(lambda: booked(folder) >= REQUESTS, lambda: f"{booked(folder)} of {REQUESTS}", WAIT_S)
    assert json.loads(asked(f"{url}/health/ready")[1])["parts"] == {"rows": "ok"}


def test_spans_sent_over_otlp_become_a_row_and_are_counted(running: tuple[str, Path]) -> None:
    url, folder = running
    now_ns = time.time_ns()
    body = otlp("shop/order-1", now_ns - 5_000_000, now_ns)
    status, _ = asked(f"{url}/v1/traces", body=body, **{"Content-Type": "application/json"})
    assert status == 200
    wait_until(lambda: len(read_request(folder / "traces.db", "shop/order-1")) == 2, lambda: "spans not written")

    def row() -> Any:
        rows = open_rows(f"sqlite:///{folder / 'ledger.sqlite3'}")
        with closing(rows.database):
            return rows.request("shop/order-1")

    wait_until(lambda: row() is not None, lambda: "not booked", WAIT_S)
    assert row().e2e_ns == 5_000_000
    assert sum(ns for ns, _ in row().stages.values()) == 5_000_000
    told = json.loads(asked(f"{url}/health/ready")[1])
    assert told["details"]["otlp"]["taken"] >= 2


def test_the_counters_are_there_from_the_start(running: tuple[str, Path]) -> None:
    text = asked_metrics(running[0])
    assert 'opswire_ledger_stage_seconds_total{stage="approval.wait"}' in text
    assert 'opswire_ledger_requests_total{trusted="no"}' in text

    def until() -> float:
        found = re.search(r"^opswire_ledger_booked_until_seconds (\S+)$", asked_metrics(running[0]), re.MULTILINE)
        return float(found[1]) if found else 0.0

    wait_until(lambda: until() > time.time() - 600, lambda: str(until()), WAIT_S)


def test_the_page_is_served_and_its_questions_need_the_token(running: tuple[str, Path]) -> None:
    url, _ = running
    assert b"<html" in asked(url)[1]
    assert asked(f"{url}/api/look")[0] == 401
    status, body = asked(f"{url}/api/look?after=3h", TOKEN)
    assert (status, json.loads(body)["trouble"]) == (200, "")
    assert asked(f"{url}/health/ready", Host="somewhere.example")[0] == 400


def test_beyond_loopback_spans_need_the_token_too(tmp_path: Path) -> None:
    body, json_type = otlp("shop/order-2", 1, 2_000_000), {"Content-Type": "application/json"}
    with ledger(tmp_path, OPSWIRE_HTTP_HOST="0.0.0.0") as url:
        assert asked(f"{url}/v1/traces", body=body, **json_type)[0] == 401
        assert asked(f"{url}/v1/traces", TOKEN, body, **json_type)[0] == 200


def test_a_row_store_that_is_away_is_said_and_does_not_end_it(tmp_path: Path) -> None:
    """It is not ready and says why; it lives, so that nobody starts it again for that."""
    port, log = free_port(), tmp_path / "ledger.log"
    environment = os.environ | {"OPSWIRE_STATE_DIR": str(tmp_path), "OPSWIRE_HTTP_TOKEN": TOKEN}
    environment |= {"OPSWIRE_TRACE_STORE": str(tmp_path / "traces.db"), "OPSWIRE_HTTP_PORT": str(port)}
    environment |= {"OPSWIRE_LEDGER_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    process = spawn([sys.executable, "-m", "opswire.cli.ledger_process"], log, environment)

    def says() -> tuple[int, bytes]:
        try:
            return asked(f"http://127.0.0.1:{port}/health/ready")
        except OSError:
            return 0, b""

    try:
        wait_until(lambda: b"does not answer" in says()[1], lambda: f"{says()} {log.read_text()}", WAIT_S)
        assert says()[0] == 503
        assert asked(f"http://127.0.0.1:{port}/health/live")[0] == 200
    finally:
        end(process)


def test_a_wrong_setting_ends_it_with_a_line_that_says_so(tmp_path: Path) -> None:
    environment = os.environ | {"OPSWIRE_STATE_DIR": str(tmp_path), "OPSWIRE_HTTP_PORT": "many"}
    command = [sys.executable, "-m", "opswire.cli.ledger_process"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == EXIT_CANNOT_START
    assert "http_port" in done.stdout + done.stderr


def test_each_request_is_counted_once_and_long_enough_after_its_finish(tmp_path: Path) -> None:
    fill(tmp_path / "traces.db")
    with ledger(tmp_path):
        wait_until(lambda: booked(tmp_path) >= REQUESTS, lambda: str(booked(tmp_path)), WAIT_S)
    rows = open_rows(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    with closing(rows.database):
        metrics = Metrics("ledger", "0")
        counters = LedgerMetrics(metrics.registry, 0, counted_after_s=30)
        now_ns = time.time_ns()
        assert counters.count(rows, now_ns) == REQUESTS
        assert counters.count(rows, now_ns + 1) == 0
        seconds = metrics.registry.get_sample_value("opswire_ledger_stage_seconds_total", {"stage": "bus.wait"})
        whole = sum(row.e2e_ns for row in rows.rows(0, now_ns)) / 1e9
        stages = [
            sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == "opswire_ledger_stage_seconds_total"
        ]
        assert seconds is not None
        assert seconds > 0
        assert sum(stages) == pytest.approx(whole)
        trusted = metrics.registry.get_sample_value("opswire_ledger_requests_total", {"trusted": "yes"})
        assert trusted == REQUESTS
        assert counters.counted_until_ns == now_ns + 1 - 30_000_000_000


def test_the_page_of_a_running_system_has_an_address() -> None:
    record = RunRecord(1, None, "ready", 0, {LEDGER: "http://127.0.0.1:1"}, "secret")
    assert served_page(record) == "http://127.0.0.1:1/#token=secret"
    with pytest.raises(CommandError, match="without a ledger"):
        served_page(RunRecord(1, None, "ready", 0, {}, "secret"))
