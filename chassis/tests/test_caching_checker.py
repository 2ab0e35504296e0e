"""A checker that reads while a writer writes, and the proof that it bites: mutants of the protocol are caught.

A stale read is one that began after an invalidation was acknowledged (stored, plus the lease and a margin) and answers
an older version all the same.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.entry import Entry
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.cache_parts import NumberCodec, StampAfterLoad
from opswire.chassis.testing.pace import lease_over, uneven_source
from opswire.chassis.testing.waiting import one_turn
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import CACHES_INVALIDATED

UNTIL_STALE = 1_000_000_000
MARGIN_S = 0.05
KEYS = 8
HOLDERS = 3
READERS = 4


class NoStampCheck(Cache[int]):
    def _is_good(self, entry: Entry[int]) -> bool:
        return time.monotonic() < entry.expires_s and self._log.inside_lease


class LeaseIgnored(InvalidationLog):
    def _set_lease(self, until_s: float) -> None:
        super()._set_lease(until_s + 3_600)


@dataclass
class World:
    """The source of truth, what was acknowledged, and what was seen."""

    versions: dict[str, int] = field(default_factory=lambda: {f"k{n}": 0 for n in range(KEYS)})
    acknowledged: dict[str, int] = field(default_factory=lambda: {f"k{n}": 0 for n in range(KEYS)})
    reads: int = 0
    stale: int = 0
    over: bool = False

    async def load(self, key: str) -> int:
        """A source of uneven speed; what it answers was true at some moment of the call."""
        value = self.versions[key]
        await uneven_source()
        return value

    async def read_on(self, cache: Cache[int]) -> None:
        while not self.over:
            key = f"k{random.randrange(KEYS)}"
            floor = self.acknowledged[key]

            async def load(key: str = key) -> tuple[int, list[str]]:
                return await self.load(key), [key]

            value, _ = await cache.read(key, load)
            self.reads += 1
            self.stale += value < floor
            if self.reads % 50 == 0:
                await one_turn()

    async def write_on(self, bus: Bus, writes: int) -> None:
        waiting: set[asyncio.Task[None]] = set()
        for _ in range(writes):
            key = f"k{random.randrange(KEYS)}"
            self.versions[key] += 1
            version = self.versions[key]
            message = CachesInvalidated(tags=[key], cause="t", nonce=secrets.token_hex(16), at_ns=time.time_ns())
            await bus.client.jetstream().publish(CACHES_INVALIDATED.template, message.to_bytes())
            waiting.add(asyncio.create_task(self.acknowledge(key, version)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*waiting)

    async def acknowledge(self, key: str, version: int) -> None:
        await lease_over(MARGIN_S)
        self.acknowledged[key] = max(self.acknowledged[key], version)


async def check(
    url: str,
    valkey: Valkey | None,
    cache_class: Callable[..., Cache[int]],
    log_class: Callable[..., InvalidationLog],
    writes: int,
    disturb: Callable[[list[Bus]], Awaitable[None]] | None = None,
    reads_min: int = 0,
) -> World:
    world = World()
    buses = [Bus("checker", ServiceSettings(nats_url=url)) for _ in range(HOLDERS + 1)]
    logs, caches = [], []
    for bus in buses:
        await bus.connect()
    for bus in buses[:HOLDERS]:
        metrics = Metrics()
        log = log_class(bus, metrics)
        await log.start()
        logs.append(log)
        caches.append(cache_class("check", NumberCodec(), log, valkey, metrics, ttl_s=60))
    readers = [asyncio.create_task(world.read_on(cache)) for cache in caches for _ in range(READERS)]
    if disturb is not None:
        await disturb(buses)
    try:
        async with asyncio.timeout(60):
            while True:
                await world.write_on(buses[-1], writes)
                if world.reads >= reads_min or world.stale:
                    break
    finally:
        world.over = True
        await asyncio.gather(*readers)
        for log in logs:
            await log.stop()
        for bus in buses:
            await bus.client.close()
    return world


async def cut_off_one_log(buses: list[Bus]) -> None:
    """The first holder hears nothing of the log any more, and cannot ask either."""

    async def never(*_: object) -> dict[str, object]:
        raise TimeoutError

    bus = buses[0]
    bus.request_json = never  # type: ignore[method-assign,assignment]
    for subscription in list(bus.client._subs.values()):
        await subscription.unsubscribe()


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "memory and Valkey"])
async def test_no_read_is_stale_after_an_acknowledged_invalidation(
    nats_server: NatsServer, valkey_server: ValkeyServer, shared: bool
) -> None:
    valkey = Valkey(valkey_server.url) if shared else None
    world = await check(nats_server.url, valkey, Cache, InvalidationLog, writes=100, reads_min=20_000)
    if valkey is not None:
        await valkey.close()
    assert world.reads >= 20_000
    assert world.stale == 0


async def test_a_holder_that_is_cut_off_serves_nothing_stale(nats_server: NatsServer) -> None:
    world = await check(nats_server.url, None, Cache, InvalidationLog, 80, cut_off_one_log, reads_min=1_000)
    assert world.stale == 0


@pytest.mark.parametrize(
    ("cache_class", "log_class", "disturb"),
    [
        (StampAfterLoad, InvalidationLog, None),
        (NoStampCheck, InvalidationLog, None),
        (Cache, LeaseIgnored, cut_off_one_log),
    ],
    ids=["stamp after the load", "no stamp check", "lease ignored"],
)
async def test_the_checker_catches_mutants_of_the_protocol(
    nats_server: NatsServer,
    cache_class: Callable[..., Cache[int]],
    log_class: Callable[..., InvalidationLog],
    disturb: Callable[[list[Bus]], Awaitable[None]] | None,
) -> None:
    world = await check(nats_server.url, None, cache_class, log_class, 100, disturb, reads_min=UNTIL_STALE)
    assert world.stale > 0
