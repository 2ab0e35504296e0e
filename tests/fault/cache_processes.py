"""One process of the cache checker: `python cache_processes.py ROLE NUMBER WORLD NATS_URL VALKEY_URL`.

Roles: `holder` reads through a cache and judges each read; `writer` changes the truth and invalidates; `acknowledger`
stands in for the cache service.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cache_world import KEYS, WRITERS, Cell, World
from nats.errors import Error as NatsError
from opswire.chassis.bus import Bus
from opswire.chassis.caching.acknowledger import Acknowledger
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.errors import OpswireError
from opswire.chassis.metrics import Metrics
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.cache_parts import NumberCodec

READERS = 6
READS_AT_ONCE = 16
WRITES_AT_ONCE = 3
CELLS = {"memory": Cell.MEMORY, "shared": Cell.SHARED, "bypass": Cell.BYPASS}


class Readers:
    """A holder's readers, and the judgement of each read."""

    def __init__(self, world: World, number: int, cache: Cache[int]) -> None:
        self._world = world
        self._counts = world.counts(number)
        self._cache = cache

    async def _load(self, key: int) -> tuple[int, list[str]]:
        """A source of uneven speed; what it answers was true at some moment of the call."""
        value = self._world.versions[key]
        await asyncio.sleep(random.choice((0, 0, 0.001, 0.02)))
        return value, [f"k{key}"]

    async def read(self) -> None:
        """Read and judge until all is over."""
        while not self._world.is_over:
            for _ in range(READS_AT_ONCE):
                key = random.randrange(KEYS)
                floor = self._world.acknowledged[key]
                found = self._cache.read_now(str(key)) if random.random() < 0.2 else None
                if found is None:
                    value, outcome = await self._cache.read(str(key), lambda key=key: self._load(key))
                else:
                    value, outcome = found, "memory"
                self._counts[Cell.READS] += 1
                self._counts[CELLS.get(outcome, Cell.OTHER)] += 1
                self._counts[Cell.STALE] += value < floor
            await asyncio.sleep(0.002)


async def hold(world: World, number: int, nats_url: str, valkey_url: str) -> None:
    """Be a holder."""
    true_time = time.time
    time.time = lambda: true_time() + world.counts(number)[Cell.CLOCK_S]
    bus, metrics = Bus("holder", ServiceSettings(nats_url=nats_url, connect_patience_s=60)), Metrics()
    await bus.connect()
    log, valkey = InvalidationLog(bus, metrics, f"holder-{number}"), Valkey(valkey_url)
    cache = Cache("check", NumberCodec(), log, valkey, metrics, ttl_s=5.0, entries_max=KEYS // 2)
    await log.start()
    readers = Readers(world, number, cache)
    await asyncio.gather(*(readers.read() for _ in range(READERS)))


async def write(world: World, number: int, nats_url: str) -> None:
    """Be a writer: each key has one writer, and each of its tasks keys of its own."""
    bus = Bus("writer", ServiceSettings(nats_url=nats_url, connect_patience_s=60))
    await bus.connect()
    log = InvalidationLog(bus, Metrics(), "writer")
    invalidator = Invalidator(bus, log)
    await log.start()
    await invalidator.start()

    async def change(keys: list[int]) -> None:
        while not world.is_over:
            key = random.choice(keys)
            world.versions[key] += 1
            version = world.versions[key]
            try:
                await invalidator.invalidate([f"k{key}"], "check")
            except (NatsError, OpswireError, OSError):
                await asyncio.sleep(0.02)
                continue  # not acknowledged: nothing may be concluded of this version
            world.acknowledged[key] = version
            world.writes[number] += 1
            await asyncio.sleep(random.random() * 0.02)

    own = [key for key in range(KEYS) if key % WRITERS == number]
    await asyncio.gather(*(change(own[task::WRITES_AT_ONCE]) for task in range(WRITES_AT_ONCE)))


async def acknowledge(world: World, nats_url: str) -> None:
    """Be the cache service."""
    bus = Bus("cache", ServiceSettings(nats_url=nats_url, connect_patience_s=60))
    await bus.connect()
    log = InvalidationLog(bus, Metrics(), "cache")
    acknowledger = Acknowledger(bus, log)
    await log.start()
    await acknowledger.start()
    while not world.is_over:  # noqa: ASYNC110  the table that processes share tells nobody
        await asyncio.sleep(0.05)


async def main() -> None:
    """Play the role that the command line names."""
    role, number, path, nats_url, valkey_url = sys.argv[1:]
    world = World(Path(path))
    if role == "holder":
        await hold(world, int(number), nats_url, valkey_url)
    elif role == "writer":
        await write(world, int(number), nats_url)
    else:
        await acknowledge(world, nats_url)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
