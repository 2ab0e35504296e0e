"""The rules of the cache protocol, on a real broker and a real Valkey."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.levels import SharedLevel
from opswire.chassis.caching.log import LEASE_S, InvalidationLog
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.errors import RetryableError
from opswire.chassis.metrics import Metrics
from opswire.chassis.provision import provision
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.cache_parts import TextCodec
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import one_turn, until
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import CACHES_INVALIDATED, CHANGES
from redis.asyncio import Redis


class Holder:
    """One process' worth of caching: connection, log, cache, and how often it asked the source."""

    def __init__(self, url: str, shared: SharedLevel | None = None) -> None:
        self.metrics = Metrics()
        self.bus = Bus("holder", ServiceSettings(nats_url=url))
        self.log = InvalidationLog(self.bus, self.metrics)
        self.cache: Cache[str] = Cache("test", TextCodec(), self.log, shared, self.metrics, ttl_s=60)
        self.loads = 0
        self.is_served = True

    async def read(self, key: str, value: str = "value", tag: str | None = None) -> tuple[str, str]:
        async def load() -> tuple[str, list[str]]:
            self.loads += 1
            await one_turn()
            return value, [tag or key]

        found = await self.cache.read(key, load)
        while found[1] == "bypass" and self.is_served:
            # The machine was too busy to renew the lease in time: allowed, and not what is tested.
            await until(lambda: self.log.inside_lease)
            found = await self.cache.read(key, load)
        return found

    def count(self, outcome: str) -> float:
        self.cache.statistics()
        return self.metrics.cache_reads.labels("test", outcome)._value.get()


Start = Callable[..., Awaitable[Holder]]


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[Start]:
    holders: list[Holder] = []

    async def started(shared: SharedLevel | None = None, url: str | None = None) -> Holder:
        holder = Holder(url or nats_server.url, shared)
        await holder.bus.connect()
        await holder.log.start()
        holders.append(holder)
        return holder

    yield started
    for holder in holders:
        await holder.log.stop()
        await holder.bus.client.close()


@pytest.fixture
async def valkey(valkey_server: ValkeyServer) -> AsyncIterator[Valkey]:
    level = Valkey(valkey_server.url)
    yield level
    await level.close()


async def invalidate(upstream: Upstream, *tags: str) -> int:
    """Publish an invalidation; its sequence."""
    message = CachesInvalidated(tags=list(tags), cause="test", nonce=secrets.token_hex(16), at_ns=time.time_ns())
    answer = await upstream.client.jetstream().publish(CACHES_INVALIDATED.template, message.to_bytes())
    return int(answer.seq)


async def test_a_hit_comes_from_memory_and_an_invalidation_ends_it(start: Start, upstream: Upstream) -> None:
    holder = await start()
    assert await holder.read("a", "one") == ("one", "miss")
    assert await holder.read("a", "two") == ("one", "memory")
    sequence = await invalidate(upstream, "other")
    await until(lambda: holder.log.applied >= sequence)
    assert await holder.read("a", "two") == ("one", "memory")
    sequence = await invalidate(upstream, "a")
    await until(lambda: holder.log.applied >= sequence)
    assert holder.cache.read_now("a") is None
    assert await holder.read("a", "two") == ("two", "miss")
    assert holder.cache.read_now("a") == "two"
    sequence = await invalidate(upstream, "all")
    await until(lambda: holder.log.applied >= sequence)
    assert await holder.read("a", "three") == ("three", "miss")


async def test_a_fill_that_an_invalidation_overtook_is_not_kept(
    start: Start, upstream: Upstream, valkey: Valkey
) -> None:
    first, second = await start(valkey), await start(valkey)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> tuple[str, list[str]]:
        begun.set()
        await may_end.wait()
        return "old", ["a"]

    reading = asyncio.create_task(first.cache.read("a", slow))
    await begun.wait()
    sequence = await invalidate(upstream, "a")
    await until(lambda: min(first.log.applied, second.log.applied) >= sequence)
    joining = asyncio.create_task(first.read("a", "new"))
    await one_turn()  # it has joined the flight
    may_end.set()
    assert (await reading)[0] == "old"  # its read began before the change
    assert (await joining)[0] == "new"  # the joiner's did not
    assert (await first.read("a", "newer"))[0] == "new"
    assert (await second.read("a", "newer"))[0] == "new"


async def test_concurrent_reads_share_one_flight(start: Start, valkey: Valkey) -> None:
    for holder in (await start(), await start(valkey)):
        key = f"k{id(holder)}"
        results = await asyncio.gather(*(holder.read(key) for _ in range(50)))
        assert holder.loads == 1
        assert sorted({outcome for _, outcome in results}) == ["coalesced", "miss"]


async def test_an_error_is_raised_to_all_who_wait_and_never_kept(start: Start, valkey: Valkey) -> None:
    holder = await start(valkey)

    async def fail() -> tuple[str, list[str]]:
        await one_turn()
        raise LookupError("no such thing")

    failed = await asyncio.gather(*(holder.cache.read("a", fail) for _ in range(5)), return_exceptions=True)
    assert [type(error) for error in failed] == [LookupError] * 5
    assert await holder.read("a", "fine") == ("fine", "miss")


async def test_a_stopped_leader_does_not_hang_or_stop_who_joined(start: Start) -> None:
    holder, begun = await start(), asyncio.Event()

    async def endless() -> tuple[str, list[str]]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    leading = asyncio.create_task(holder.cache.read("a", endless))
    await begun.wait()
    joining = asyncio.create_task(holder.read("a"))
    await one_turn()
    leading.cancel()
    with pytest.raises(RetryableError):
        await asyncio.wait_for(joining, 5)
    assert await holder.read("a", "fine") == ("fine", "miss")


async def test_the_shared_level_serves_others_until_an_invalidation(
    start: Start, upstream: Upstream, valkey: Valkey
) -> None:
    first, second = await start(valkey), await start(valkey)
    await first.read("a", "one")
    assert await second.read("a", "two") == ("one", "shared")
    assert await second.read("a", "two") == ("one", "memory")
    sequence = await invalidate(upstream, "a")
    third = await start(valkey)  # it was not there when the log said so
    await until(lambda: min(first.log.applied, second.log.applied) >= sequence)
    for holder in (third, first, second):
        value, outcome = await holder.read("a", "two")
        assert (value, outcome) in {("two", "miss"), ("two", "shared")}
    assert third.count("stale") == 1


async def test_valkey_killed_emptied_restarted_or_asleep_changes_no_answer(
    start: Start, valkey: Valkey, valkey_server: ValkeyServer
) -> None:
    holder = await start(valkey)
    raw: Redis = Redis.from_url(valkey_server.url)
    await holder.read("a", "a")
    await raw.flushall()
    holder.cache.drop_all()
    assert await holder.read("a", "b") == ("b", "miss")
    await raw.aclose()
    valkey_server.kill()
    holder.cache.drop_all()
    assert await holder.read("a", "c") == ("c", "miss")
    assert valkey.is_away
    assert await holder.read("a", "d") == ("c", "memory")
    await asyncio.to_thread(valkey_server.start)
    await until(lambda: not valkey.is_away)
    await holder.read("z", "z")
    holder.cache.drop_all()
    assert await holder.read("z", "y") == ("z", "shared")


async def test_an_answer_that_came_too_late_is_never_taken_for_the_next_one(
    valkey: Valkey, valkey_server: ValkeyServer
) -> None:
    for key, data in (("one", b"1"), ("two", b"2")):
        while await valkey.get(key) != data:  # a busy machine may take longer than is waited
            await until(lambda: not valkey.is_away)
            await valkey.set(key, data, 60)
    valkey_server.process.send_signal(19)  # SIGSTOP
    assert await valkey.get("one") is None
    valkey_server.process.send_signal(18)  # SIGCONT
    await until(lambda: not valkey.is_away)
    assert await valkey.get("two") in (b"2", None)
    while (found := await valkey.get("two")) is None:
        await until(lambda: not valkey.is_away)
    assert found == b"2"


async def test_without_the_broker_reads_bypass_once_the_lease_is_over(
    start: Start, nats_server: NatsServer, upstream: Upstream
) -> None:
    holder = await start()
    await holder.read("a", "one")
    nats_server.kill()
    await until(lambda: not holder.log.inside_lease, timeout_s=LEASE_S + 1)
    holder.is_served = False
    assert await holder.read("a", "two") == ("two", "bypass")
    await asyncio.to_thread(nats_server.start)
    await until(lambda: holder.log.inside_lease)
    holder.is_served = True
    assert (await holder.read("a", "two"))[0] in {"one", "two"}
    await until(lambda: upstream.client.is_connected)
    sequence = await invalidate(upstream, "a")
    await until(lambda: holder.log.applied >= sequence)
    assert await holder.read("a", "three") == ("three", "miss")


async def test_a_replaced_log_drops_everything(start: Start, nats_server: NatsServer, upstream: Upstream) -> None:
    holder = await start()
    await invalidate(upstream, "x")
    await holder.read("a", "one")
    epoch = holder.log.epoch
    await upstream.client.jetstream().delete_stream(CHANGES)
    await provision(nats_server.url)
    await until(lambda: holder.log.epoch != epoch and holder.log.inside_lease)
    assert await holder.read("a", "two") == ("two", "miss")
    sequence = await invalidate(upstream, "a")
    await until(lambda: holder.log.applied >= sequence)
    assert await holder.read("a", "three") == ("three", "miss")


@pytest.mark.parametrize("before", [0, 3], ids=["empty log", "log with a past"])
async def test_a_gap_in_the_log_drops_everything_older(
    start: Start, wire: Any, upstream: Upstream, before: int
) -> None:
    for number in range(before):
        await invalidate(upstream, f"past-{number}")
    holder = await start(url=wire.url)
    await holder.read("a", "one")
    wire.is_closed = True
    wire.cut()
    await until(lambda: not holder.log.inside_lease)
    lost = await invalidate(upstream, "a")
    await upstream.client.jetstream().delete_msg(CHANGES, lost)
    sequence = await invalidate(upstream, "b")
    wire.is_closed = False
    await until(lambda: holder.log.applied >= sequence and holder.log.inside_lease)
    assert holder.log.floor == lost
    assert await holder.read("a", "two") == ("two", "miss")


async def test_an_unreadable_change_drops_everything_older(start: Start, upstream: Upstream) -> None:
    holder = await start()
    await holder.read("a", "one")
    answer = await upstream.client.jetstream().publish(CACHES_INVALIDATED.template, b"{")
    await until(lambda: holder.log.applied >= answer.seq)
    assert await holder.read("a", "two") == ("two", "miss")
