"""Who is waited for, and what an acknowledgement rests on: registry, reports by nonce, the lease's end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.acknowledger import Acknowledger
from opswire.chassis.caching.invalidator import Invalidator, NotInForceError
from opswire.chassis.caching.log import LEASE_S, MARGIN_S, InvalidationLog
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.waiting import until
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged

LEASE_MS = (LEASE_S + MARGIN_S) * 1000


class Process:
    """A process that caches; the cache service's also acknowledges, and any may invalidate."""

    def __init__(self, url: str, service: str) -> None:
        self.bus = Bus(service, ServiceSettings(nats_url=url))
        self.log = InvalidationLog(self.bus, Metrics(), service)
        self.acknowledger = Acknowledger(self.bus, self.log) if service == "cache" else None
        self.invalidator = Invalidator(self.bus, self.log)

    async def start(self) -> None:
        await self.bus.connect()
        await self.log.start()
        await self.invalidator.start()
        if self.acknowledger is not None:
            await self.acknowledger.start()

    def go_deaf(self) -> None:
        """Hear nothing of the log any more."""
        self.bus.client._direct[self.log._subscription] = lambda *_: None

    @property
    def known(self) -> set[str]:
        assert self.acknowledger is not None
        return {holder.service for holder in self.acknowledger.registry.holders}


Start = Callable[[str], Awaitable[Process]]


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[Start]:
    processes: list[Process] = []

    async def started(service: str) -> Process:
        process = Process(nats_server.url, service)
        await process.start()
        processes.append(process)
        return process

    yield started
    for process in processes:
        await process.log.stop()
        if process.acknowledger is not None:
            await process.acknowledger.stop()
        await process.bus.client.close()


async def trusted(cache: Process) -> None:
    """Until the acknowledger has been there for a lease, before which it only waits."""
    acknowledger = cache.acknowledger
    assert acknowledger is not None
    await until(lambda: asyncio.get_running_loop().time() >= acknowledger._trusted_from_s)


async def quick(process: Process) -> InvalidationAcknowledged:
    """An acknowledgement before the lease's end, by everybody: on a busy machine not every one is."""
    async with asyncio.timeout(30):
        while True:
            answer = await process.invalidator.invalidate(["a"], "test")
            if not answer.late and answer.took_ms < LEASE_MS:
                return answer


async def test_an_invalidation_is_acknowledged_by_all_who_cache_and_names_them(start: Start) -> None:
    before = await start("intent")
    cache = await start("cache")
    after = await start("assets")
    await until(lambda: cache.known == {"intent", "cache", "assets"})
    await trusted(cache)
    answer = await quick(before)
    assert {holder.service for holder in answer.holders} == {"intent", "cache", "assets"}
    assert before.log.applied >= answer.sequence
    assert after.log.applied >= answer.sequence


async def test_who_does_not_answer_is_named_expelled_and_comes_back_by_registering_anew(start: Start) -> None:
    cache, deaf = await start("cache"), await start("executor")
    await until(lambda: cache.known == {"cache", "executor"})
    await trusted(cache)
    deaf.go_deaf()
    answer = await cache.invalidator.invalidate(["a"], "test")
    assert "executor" in {holder.service for holder in answer.late}
    assert answer.took_ms >= LEASE_MS
    assert not deaf.log.inside_lease
    await until(lambda: cache.known == {"cache"})
    assert await quick(cache)
    await deaf.log._follow()
    await until(lambda: deaf.log.inside_lease)
    assert cache.known == {"cache", "executor"}


async def test_who_leaves_in_order_is_not_waited_for(start: Start) -> None:
    cache, leaving = await start("cache"), await start("executor")
    await until(lambda: cache.known == {"cache", "executor"})
    await trusted(cache)
    await leaving.log.stop()
    assert not leaving.log.inside_lease
    await until(lambda: cache.known == {"cache"})
    assert "executor" not in {holder.service for holder in (await quick(cache)).holders}


async def test_a_cache_service_that_begins_anew_knows_who_registered_before_it(start: Start) -> None:
    deaf = await start("intent")
    deaf.go_deaf()
    cache = await start("cache")
    await until(lambda: cache.known == {"cache", "intent"})
    answer = await cache.invalidator.invalidate(["a"], "test")
    assert "intent" in {holder.service for holder in answer.late}


async def test_nothing_is_acknowledged_sooner_than_a_lease_after_the_acknowledger_began(start: Start) -> None:
    cache = await start("cache")
    assert cache.acknowledger is not None
    cache.acknowledger._begin()
    answer = await cache.invalidator.invalidate(["a"], "test")
    assert answer.took_ms >= LEASE_S * 1000


async def test_without_an_acknowledger_the_end_of_the_lease_is_waited_for(start: Start) -> None:
    alone = await start("executor")
    answer = await alone.invalidator.invalidate(["a"], "test")
    assert answer.took_ms >= LEASE_MS
    assert answer.holders == []


async def test_an_invalidation_that_was_not_read_is_not_called_in_force(start: Start) -> None:
    alone = await start("executor")
    alone.go_deaf()
    with pytest.raises(NotInForceError):
        await alone.invalidator.invalidate(["a"], "test")


async def test_more_tags_than_a_message_takes_are_several_messages(start: Start) -> None:
    cache = await start("cache")
    await trusted(cache)
    answer = await cache.invalidator.invalidate([f"t{number}" for number in range(2_500)], "test")
    sequences = cache.log.tag_sequences
    assert sequences["t2499"] == answer.sequence
    assert sequences["t0"] < sequences["t1000"] < sequences["t2000"]


async def test_whoever_asks_by_nonce_gets_the_acknowledgement_before_or_after(start: Start) -> None:
    cache = await start("cache")
    assert cache.acknowledger is not None
    asking = asyncio.create_task(cache.acknowledger.acknowledgement(secrets.token_hex(16)))
    answer = await cache.invalidator.invalidate(["a"], "test")
    assert (await cache.acknowledger.acknowledgement(answer.nonce)).sequence == answer.sequence
    assert not asking.done()
    asking.cancel()
