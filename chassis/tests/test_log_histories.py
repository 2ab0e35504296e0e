"""Histories of the log: rolled back, replaced, gone; what was remembered of another one is never served."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import time
from pathlib import Path

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.storing import store
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.provision import DriftError
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.broken_wire import BrokenWire
from opswire.chassis.testing.waiting import until
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import CACHES_INVALIDATED, CHANGES, PROGRESS, TIMERS


async def begun(nats_server: NatsServer) -> tuple[Bus, InvalidationLog]:
    bus = Bus("test", ServiceSettings(nats_url=nats_server.url))
    await bus.connect()
    log = InvalidationLog(bus, Metrics())
    await log.start()
    return bus, log


class Past:
    """A broker's store as it was, to bring it back: what a disk does that lost what it had promised."""

    def __init__(self, server: NatsServer, where: Path) -> None:
        self._server = server
        self._where = where / "past"

    async def keep(self) -> None:
        await asyncio.to_thread(self._server.stop)
        shutil.copytree(self._server.store_dir, self._where)
        await asyncio.to_thread(self._server.start)

    def bring_back(self) -> None:
        self._server.kill()
        shutil.rmtree(self._server.store_dir)
        shutil.copytree(self._where, self._server.store_dir)
        self._server.start()


async def stored(bus: Bus, *tags: str) -> int:
    message = CachesInvalidated(tags=list(tags), cause="test", nonce=secrets.token_hex(16), at_ns=time.time_ns())
    return await store(bus, "test", CACHES_INVALIDATED, CACHES_INVALIDATED.template, message)


async def test_what_was_stamped_in_a_lost_part_is_not_valid_after_a_roll_back(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """The broker came back with an older state of the same stream: its sequences are given a second time."""
    bus, log = await begun(nats_server)
    past, before = Past(nats_server, tmp_path), log.stamp
    await past.keep()
    await until(lambda: bus.is_connected and log.inside_lease)
    for _ in range(5):
        lost = await stored(bus, "a")
    await until(lambda: log.applied >= lost)
    stamps = [before, log.stamp]
    assert log.is_valid(log.stamp, ["a"])
    await asyncio.to_thread(past.bring_back)
    await until(lambda: "all" in log.tag_sequences and log.inside_lease)
    while log.applied <= lost:
        grown = await stored(bus, "b")
        await until(lambda: log.applied >= grown)  # noqa: B023
    assert [log.is_valid(stamp, ["a"]) for stamp in stamps] == [False, False]
    await log.stop()
    await bus.client.close()


async def test_a_log_that_grew_again_while_a_holder_was_away_is_seen_to_be_another(
    nats_server: NatsServer, wire: BrokenWire, tmp_path: Path
) -> None:
    """Neither its creation time nor its end tells: only that another message lies where this holder is."""
    url = ServiceSettings(nats_url=nats_server.url)
    writer = Bus("writer", url)
    await writer.connect()
    bus = Bus("test", ServiceSettings(nats_url=wire.url))
    await bus.connect()
    log = InvalidationLog(bus, Metrics())
    await log.start()
    past = Past(nats_server, tmp_path)
    await past.keep()
    await until(lambda: writer.is_connected and bus.is_connected and log.inside_lease)
    lost = await stored(writer, "a")
    await until(lambda: log.applied >= lost)
    stamp, created = log.stamp, log.epoch
    wire.is_closed = True
    wire.cut()
    await asyncio.to_thread(past.bring_back)
    await until(lambda: writer.is_connected)
    grown = [await stored(writer, "b") for _ in range(3)]
    assert grown[0] == lost
    wire.is_closed = False
    await until(lambda: "all" in log.tag_sequences and log.inside_lease)
    assert log.epoch == created
    assert log.applied > lost
    assert not log.is_valid(stamp, ["c"])
    await log.stop()
    for each in (bus, writer):
        await each.client.close()


async def test_a_new_history_is_told_to_whoever_learns_from_the_log(nats_server: NatsServer) -> None:
    bus, log = await begun(nats_server)
    told: list[str] = []
    log.on_asset_changed = lambda _: None
    log.on_restart = lambda: told.append("restart")
    log.on_history.append(lambda: told.append("history"))
    await log._begin()
    assert told == ["restart", "history"]
    assert not log.inside_lease
    await log.stop()
    await bus.client.close()


async def test_a_missing_log_is_drift_with_advice(nats_server: NatsServer) -> None:
    bus, log = await begun(nats_server)
    await log.stop()
    await bus.client.jetstream().delete_stream(CHANGES)
    with pytest.raises(DriftError, match="opswire provision"):
        await InvalidationLog(bus, Metrics()).start()
    await bus.client.close()


@pytest.mark.parametrize(("service", "stream"), [("intent", TIMERS), ("assets", CHANGES), ("executor", TIMERS)])
async def test_a_service_refuses_to_start_without_a_stream_it_needs(
    nats_server: NatsServer, tmp_path: Path, service: str, stream: str
) -> None:
    made = Service(service, "0", ServiceSettings(nats_url=nats_server.url, state_dir=tmp_path))
    client = await made.bus.connect()
    await client.jetstream().delete_stream(PROGRESS)  # may be lost; nobody needs it to start
    await client.jetstream().delete_stream(stream)
    with pytest.raises(DriftError, match=f"stream {stream} is missing") as raised:
        await made.bus.check([], made._streams())
    assert PROGRESS not in json.dumps(str(raised.value))
    await client.close()
