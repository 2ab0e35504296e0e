"""The delivery loop when the broker has nothing to pull from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.provision import provision
from opswire.chassis.pull import PullLoop
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import FACTS

DURABLE = "intent-request-submitted"
ASKED_MAX = 50


async def test_a_vanished_consumer_is_asked_for_now_and_then_and_served_when_it_is_back(
    nats_server: NatsServer, connect: Callable[..., Awaitable[WireClient]]
) -> None:
    taken: asyncio.Queue[Msg] = asyncio.Queue()
    client = await connect(nats_server.url)
    async with Upstream(nats_server.url) as upstream:
        await upstream.client.jetstream().delete_consumer(FACTS, DURABLE)
        loop = PullLoop(client, FACTS, DURABLE, taken.put, 16)
        before = client.stats["out_msgs"] + len(client._pending)
        await loop.start()
        first = client.stats["in_msgs"]
        async with asyncio.timeout(20):
            while client.stats["in_msgs"] < first + 2:  # noqa: ASYNC110  told twice that nobody answers
                await asyncio.sleep(0)
        await provision(nats_server.url)
        await upstream.submit("hello")
        message = await asyncio.wait_for(taken.get(), 20)
        await loop.stop(1)
    assert message.subject.endswith(".submitted")
    assert client.stats["in_msgs"] < ASKED_MAX
    assert client.stats["out_msgs"] - before < ASKED_MAX


async def test_beginning_again_does_not_widen_the_bound(
    nats_server: NatsServer, connect: Callable[..., Awaitable[WireClient]]
) -> None:
    may_end = asyncio.Event()
    begun: asyncio.Queue[Msg] = asyncio.Queue()

    async def hold(message: Msg) -> None:
        await begun.put(message)
        await may_end.wait()

    loop = PullLoop(await connect(nats_server.url), FACTS, DURABLE, hold, 10)
    async with Upstream(nats_server.url) as upstream:
        await loop.start()
        await loop.renew()
        await loop.renew()
        for _ in range(30):
            await upstream.submit("hello")
        for _ in range(10):
            await asyncio.wait_for(begun.get(), 10)
        await upstream.client.flush()
        assert loop.in_flight == 10
        assert begun.empty()
        may_end.set()
        for _ in range(20):
            await asyncio.wait_for(begun.get(), 10)
        await loop.stop(5)
