"""Streams and consumers: made by one step, checked by services that refuse to start on anything else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.durability import NotDurableError, check_durability
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.provision import consumer_config, drift, provision, stream_configs
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import ASSET_CHANGED, CHANGES, FACTS, PARKED, REQUEST_SUBMITTED, ROUTES

Connect = Callable[..., Awaitable[WireClient]]
CONSUMER = REQUEST_SUBMITTED.consumer_of("intent")
START_TIMEOUT_S = 60


async def ask(client: WireClient, subject: str, body: object = None) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.{subject}", b"" if body is None else json.dumps(body).encode(), timeout=5)
    answer: dict[str, Any] = json.loads(reply.data)
    return answer


async def drifted(client: WireClient) -> list[str]:
    streams = {config["name"] for config in stream_configs(1)}
    return await drift(client, [(REQUEST_SUBMITTED, CONSUMER)], 1, streams)


async def test_provisioning_makes_everything_once(tmp_path: Path, connect: Connect) -> None:
    with NatsServer(tmp_path / "empty", sync_always=False) as server:
        client = await connect(server.url)
        missing = [text for text in await drifted(client) if text.endswith("is missing")]
        assert len(missing) == len(stream_configs(1)) + 1
        first = await provision(server.url)
        labels = [f"stream {config['name']}" for config in stream_configs(1)]
        labels += [f"consumer {route.stream}/{one.durable}" for route in ROUTES for one in route.consumers]
        assert (sorted(first.created), first.updated, first.unchanged) == (sorted(labels), [], [])
        again = await provision(server.url)
        assert (again.created, again.updated, sorted(again.unchanged)) == ([], [], sorted(labels))
        assert await drifted(client) == []


CONSUMER_DRIFTS = [
    ("ack_wait", {"ack_wait": 60_000_000_000}),
    ("max_ack_pending", {"max_ack_pending": 7}),
    ("max_deliver", {"max_deliver": 1}),
]


@pytest.mark.parametrize(("key", "change"), CONSUMER_DRIFTS, ids=[key for key, _ in CONSUMER_DRIFTS])
async def test_a_changed_consumer_is_told_and_repaired(
    nats_server: NatsServer, connect: Connect, key: str, change: dict[str, Any]
) -> None:
    client = await connect(nats_server.url)
    subject = f"CONSUMER.CREATE.{FACTS}.{CONSUMER.durable}.{REQUEST_SUBMITTED.wildcard}"
    config = consumer_config(REQUEST_SUBMITTED, CONSUMER) | change
    assert "error" not in await ask(client, subject, {"stream_name": FACTS, "config": config})
    (sentence,) = await drifted(client)
    assert f"consumer {CONSUMER.durable}: {key} is " in sentence
    assert (await provision(nats_server.url)).updated == [f"consumer {FACTS}/{CONSUMER.durable}"]
    assert await drifted(client) == []


STREAM_DRIFTS = [
    ("subjects", FACTS, {"subjects": ["opswire.v1.*.*.submitted"]}),
    ("discard", PARKED, {"discard": "new"}),
    ("max_age", FACTS, {"max_age": 60_000_000_000, "duplicate_window": 60_000_000_000}),
    ("max_msgs_per_subject", CHANGES, {"max_msgs_per_subject": 5}),
    ("max_msg_size", FACTS, {"max_msg_size": 1_000}),
]


@pytest.mark.parametrize(("key", "stream", "change"), STREAM_DRIFTS, ids=[case[0] for case in STREAM_DRIFTS])
async def test_a_changed_stream_is_told_and_repaired(
    nats_server: NatsServer, connect: Connect, key: str, stream: str, change: dict[str, Any]
) -> None:
    client = await connect(nats_server.url)
    config = (await ask(client, f"STREAM.INFO.{stream}"))["config"] | change
    assert "error" not in await ask(client, f"STREAM.UPDATE.{stream}", config)
    assert any(f"stream {stream}: {key} is " in sentence for sentence in await drifted(client))
    assert f"stream {stream}" in (await provision(nats_server.url)).updated
    assert await drifted(client) == []


@pytest.mark.parametrize("key", ["discard_new_per_subject", "deny_delete", "deny_purge"])
async def test_what_makes_a_fact_a_fact_is_part_of_what_is_checked(tmp_path: Path, connect: Connect, key: str) -> None:
    with NatsServer(tmp_path / "weak", sync_always=False) as server:
        client = await connect(server.url)
        weak = next(config for config in stream_configs(1) if config["name"] == FACTS) | {key: False}
        assert "error" not in await ask(client, f"STREAM.CREATE.{FACTS}", weak)
        sentences = await drift(client, [], 1, {FACTS})
    assert len(sentences) == 1
    assert f"stream {FACTS}: {key} is " in sentences[0]


async def test_a_missing_consumer_or_stream_is_told(nats_server: NatsServer, connect: Connect) -> None:
    client = await connect(nats_server.url)
    await ask(client, f"CONSUMER.DELETE.{FACTS}.{CONSUMER.durable}")
    assert await drifted(client) == [f"consumer {CONSUMER.durable} is missing"]
    await ask(client, f"STREAM.DELETE.{CHANGES}")
    assert f"stream {CHANGES} is missing" in await drifted(client)


def started(nats_url: str, directory: Path, **settings: str) -> tuple[int, str]:
    """Run the cache service until it ends by itself; its exit code and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "opswire.cache"],
        env=os.environ | {"OPSWIRE_NATS_URL": nats_url, "OPSWIRE_STATE_DIR": str(directory)} | settings,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_service_refuses_to_start_on_drift(nats_server: NatsServer, connect: Connect, tmp_path: Path) -> None:
    client = await connect(nats_server.url)
    await ask(client, f"CONSUMER.DELETE.{CHANGES}.{ASSET_CHANGED.consumer_of('cache').durable}")
    code, output = started(nats_server.url, tmp_path)
    line = json.loads(output.strip().splitlines()[-1])
    assert (code, line["event"], line["level"]) == (78, "cannot start", "error")
    assert "opswire provision" in line["reason"]
    assert "cache-asset-changed is missing" in line["reason"]


def test_a_service_refuses_a_broker_that_forgets_what_it_acknowledged(nats_server: NatsServer, tmp_path: Path) -> None:
    code, output = started(nats_server.url, tmp_path, OPSWIRE_NATS_MONITOR_URL=nats_server.monitor_url)
    assert code == 78
    assert "sync_interval: always" in output


def test_a_service_without_a_broker_says_what_to_do_and_no_password(tmp_path: Path) -> None:
    port = free_port()
    url = f"nats://bob:hunter2secret@127.0.0.1:{port}"
    code, output = started(url, tmp_path, OPSWIRE_CONNECT_PATIENCE_S="0.5")
    assert code == 69  # starting it again later helps
    assert f"no broker answers at 127.0.0.1:{port}" in output
    assert "OPSWIRE_NATS_URL" in output
    assert "hunter2secret" not in output


def test_a_wrong_setting_is_named_in_one_line_without_its_value(nats_server: NatsServer, tmp_path: Path) -> None:
    code, output = started(nats_server.url, tmp_path, OPSWIRE_HTTP_PORT="many-ports")
    assert code == 78
    assert "http_port" in output
    assert "many-ports" not in output
    assert "Traceback" not in output


def test_sigterm_before_the_start_is_over_ends_a_service(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "opswire.cache"],
        env=os.environ | {"OPSWIRE_NATS_URL": f"nats://127.0.0.1:{free_port()}", "OPSWIRE_STATE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "broker connection" in process.stdout.readline()  # it is looking for the broker
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=START_TIMEOUT_S)
    assert process.returncode == 0
    assert "ended before it was ready" in output


async def test_durability_is_asked_of_the_broker_itself(tmp_path: Path) -> None:
    for always in (True, False):
        with NatsServer(tmp_path / str(always), sync_always=always) as server:
            settings = ServiceSettings(nats_url=server.url, nats_monitor_url=server.monitor_url + "/")
            if always:
                await check_durability(settings)
                continue
            with pytest.raises(NotDurableError, match="sync_interval"):
                await check_durability(settings)
            await check_durability(settings.model_copy(update={"stream_replicas": 3}))
            await check_durability(settings.model_copy(update={"nats_monitor_url": None}))
    with pytest.raises(NotDurableError, match="no HTTP address"):
        await check_durability(ServiceSettings(nats_monitor_url="file:///etc/passwd"))
