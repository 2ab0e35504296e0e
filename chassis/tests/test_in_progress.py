"""Long work keeps its message: the broker is told that it goes on, so nobody else is given it meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg
from opswire.chassis import bus, heartbeats, provision
from opswire.chassis.delivery import Delivery
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.upstream import Upstream
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import REQUEST_SUBMITTED

HEARTBEATS = 5


async def test_work_longer_than_the_ack_wait_is_not_given_to_somebody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provision, "ACK_WAIT_S", 1)
    monkeypatch.setattr(bus, "IN_PROGRESS_INTERVAL_S", 0.3)
    attempts: list[int] = []
    may_end, handled = asyncio.Event(), asyncio.Event()

    async def handle(_: RequestSubmitted, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await may_end.wait()
        handled.set()

    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision.provision(server.url)
        watcher = await nats.connect(server.url)
        heartbeats: asyncio.Queue[Msg] = asyncio.Queue()
        await watcher.subscribe("$JS.ACK.OPSWIRE_FACTS.intent-request-submitted.>", cb=heartbeats.put)
        await watcher.flush()
        service = Service("intent", "0", ServiceSettings(nats_url=server.url, state_dir=tmp_path))
        service.on(REQUEST_SUBMITTED, handle)
        await service.start()
        async with Upstream(server.url) as upstream:
            await upstream.submit("hello")
        # Five heartbeats take one and a half ack waits: by then the broker would have given the message again.
        told = [(await asyncio.wait_for(heartbeats.get(), 10)).data for _ in range(HEARTBEATS)]
        may_end.set()
        await asyncio.wait_for(handled.wait(), 10)
        settled = (await asyncio.wait_for(heartbeats.get(), 10)).data
        await service.stop()
        await watcher.close()
    assert told == [b"+WPI"] * HEARTBEATS
    assert settled == b"+ACK"
    assert attempts == [1]


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_blocked_loop_keeps_its_messages_and_one_that_hangs_loses_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangs: bool
) -> None:
    """`hangs`: the loop is blocked for longer than any work may block it."""
    monkeypatch.setattr(provision, "ACK_WAIT_S", 1)
    monkeypatch.setattr(bus, "IN_PROGRESS_INTERVAL_S", 0.2)
    monkeypatch.setattr(heartbeats, "BLOCKED_S_MAX", 0.3 if hangs else 60.0)
    handled = asyncio.Event()

    async def handle(_: RequestSubmitted, delivery: Delivery) -> None:
        if delivery.attempt == 1:
            end_s = time.monotonic() + 2.5 * provision.ACK_WAIT_S
            while time.monotonic() < end_s:  # work that never lets the loop turn
                pass
        if delivery.attempt == 1 + hangs:
            handled.set()

    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision.provision(server.url)
        service = Service("intent", "0", ServiceSettings(nats_url=server.url, state_dir=tmp_path))
        service.on(REQUEST_SUBMITTED, handle)
        await service.start()
        async with Upstream(server.url) as upstream:
            await upstream.submit("hello")
            await asyncio.wait_for(handled.wait(), 30)
            info = await upstream.client.jetstream().consumer_info("OPSWIRE_FACTS", "intent-request-submitted")
        await service.stop()
    assert info.delivered is not None
    assert (info.delivered.consumer_seq > 1) is hangs
