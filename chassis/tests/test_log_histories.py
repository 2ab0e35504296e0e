"""Histories of the log: rolled back, replaced, gone; what was remembered of another one is never served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.provision import DriftError
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.contracts.routes import CHANGES, PROGRESS, TIMERS


async def begun(nats_server: NatsServer) -> tuple[Bus, InvalidationLog]:
    bus = Bus("test", ServiceSettings(nats_url=nats_server.url))
    await bus.connect()
    log = InvalidationLog(bus, Metrics())
    await log.start()
    return bus, log


async def test_what_was_stamped_in_a_lost_part_is_not_valid_after_a_roll_back(nats_server: NatsServer) -> None:
    """The broker came back with an older state of the same stream: its sequences are given a second time."""
    bus, log = await begun(nats_server)
    log.applied = 100  # we had followed so far before the stream lost its end
    epoch, stamp = log.epoch, 100
    assert log.is_valid(epoch, stamp, ["a"])
    await log._begin()
    assert log.epoch != epoch
    assert not log.is_valid(epoch, stamp, ["a"])
    assert not log.is_valid(log.epoch, stamp, ["a"])
    await log.stop()
    await bus.client.close()


async def test_a_new_history_is_told_to_whoever_learns_from_the_log(nats_server: NatsServer) -> None:
    bus, log = await begun(nats_server)
    told: list[int] = []
    log.on_asset_changed = lambda _: None
    log.on_restart = lambda: told.append(log.applied)
    await log._begin()
    assert told == [0]
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
