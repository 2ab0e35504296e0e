"""One cache of the comparison, in a process of its own: measures when its standard input says so.

Started by `bench/caches.py` as `python bench/caches_peers.py PEER NATS_URL VALKEY_URL`. Each line that comes is
{"what": "shared", "reads": 2000}; each line that goes is {"each_us": 12.3}: the wall time per read, or null for what
the peer cannot do. It imports nothing of ours except for the peer `ours`.

A value is a record of about 1.3 kB as JSON. A memory hit is of one key of 1,000. A shared hit is read from Valkey each
time: in passes over 1,000 keys, between which ours forgets what it holds in memory.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

KEYS = [f"host:{number}" for number in range(1_000)]
RECORD = {"name": "web-01", "tags": {f"label-{n}": f"value of label {n}" for n in range(40)}, "port": 443}
Sync = Callable[[str], Any]
Async = Callable[[str], Awaitable[Any]]
AT_ONCE = 50


class Peer:
    """What a peer can do; None for what it cannot."""

    memory_now: Sync | None = None
    memory: Async | None = None
    shared: Async | None = None
    load: Any = None
    """What a read takes beside its key."""
    forget: Callable[[], None] = staticmethod(lambda: None)
    """Empties its memory level."""


class JsonCodec:
    """Records as JSON."""

    def __init__(self) -> None:
        import orjson

        self.encode, self.decode = orjson.dumps, orjson.loads


async def ours(nats_url: str, valkey_url: str) -> Peer:
    """The whole protocol: a real log with its lease, stamps checked, values decoded, statistics counted."""
    from opswire.chassis.bus import Bus
    from opswire.chassis.caching.cache import Cache
    from opswire.chassis.caching.log import InvalidationLog
    from opswire.chassis.caching.valkey import Valkey
    from opswire.chassis.metrics import Metrics
    from opswire.chassis.settings import ServiceSettings

    bus, metrics = Bus("bench", ServiceSettings(nats_url=nats_url)), Metrics()
    await bus.connect()
    log, valkey = InvalidationLog(bus, metrics, "bench"), Valkey(valkey_url)
    await log.start()
    cache = Cache("bench", JsonCodec(), log, valkey, metrics, ttl_s=300.0)
    through = Cache("through", JsonCodec(), log, valkey, metrics, ttl_s=300.0)

    async def load() -> tuple[Any, list[str]]:
        return RECORD, ["asset:web-01", "name:web-01"]

    for key in KEYS:
        await cache.read(key, load)
    for key in KEYS:
        await through.read(key, load)
    peer = Peer()
    peer.memory_now = cache.read_now
    peer.memory, peer.shared, peer.load, peer.forget = cache.read, through.read, load, through.drop_all
    return peer


async def dict_with_ttl(_: str, __: str) -> Peer:
    """What anybody writes first."""
    now = time.monotonic

    class DictWithTtl:
        def __init__(self) -> None:
            self._entries = {key: (RECORD, now() + 3_600) for key in KEYS}

        def get(self, key: str) -> Any:
            found = self._entries.get(key)
            if found is not None and now() < found[1]:
                return found[0]
            return None

    peer = Peer()
    peer.memory_now = DictWithTtl().get
    return peer


async def redis_py(_: str, valkey_url: str) -> Peer:
    """A plain GET, neither checked nor decoded."""
    from redis.asyncio import Redis

    client = Redis.from_url(valkey_url)
    data = json.dumps(RECORD).encode()
    for key in KEYS:
        await client.set(key, data)
    peer = Peer()
    peer.shared = client.get
    return peer


async def redis_py_decoded(nats_url: str, valkey_url: str) -> Peer:
    """A plain GET and its decoding, as whoever wants the value has it."""
    peer, decode = await redis_py(nats_url, valkey_url), JsonCodec().decode
    get = peer.shared
    assert get is not None

    async def read(key: str) -> Any:
        return decode(await get(key))

    peer.shared = read
    return peer


async def redis_py_client_side(_: str, valkey_url: str) -> Peer:
    """redis-py's own client-side cache; synchronous only."""
    from redis import Redis
    from redis.cache import CacheConfig

    client = Redis.from_url(valkey_url, protocol=3, cache_config=CacheConfig())
    for key in KEYS:
        client.set(key, json.dumps(RECORD))
    peer = Peer()
    peer.memory_now = client.get
    return peer


async def cashews(_: str, valkey_url: str) -> Peer:
    """cashews, its memory and its Redis backend, with its JSON serializer away: it pickles."""
    from cashews import Cache

    memory, shared = Cache(), Cache()
    memory.setup("mem://")
    shared.setup(valkey_url)
    for key in KEYS:
        await memory.set(key, RECORD, expire=3_600)
    for key in KEYS:
        await shared.set(key, RECORD, expire=3_600)
    peer = Peer()
    peer.memory = memory.get
    peer.shared = shared.get
    return peer


async def aiocache(_: str, valkey_url: str) -> Peer:
    """aiocache, its memory and its Redis backend with its JSON serializer."""
    from urllib.parse import urlsplit

    from aiocache import Cache
    from aiocache.serializers import JsonSerializer

    place = urlsplit(valkey_url)
    memory = Cache(Cache.MEMORY)
    place_of = {"endpoint": place.hostname, "port": place.port, "db": int(place.path[1:])}
    shared = Cache(Cache.REDIS, **place_of, serializer=JsonSerializer())
    for key in KEYS:
        await memory.set(key, RECORD, ttl=3_600)
    for key in KEYS:
        await shared.set(key, RECORD, ttl=3_600)
    peer = Peer()
    peer.memory = memory.get
    peer.shared = shared.get
    return peer


PEERS: dict[str, Callable[[str, str], Awaitable[Peer]]] = {
    "ours": ours,
    "dict": dict_with_ttl,
    "redis-py": redis_py,
    "redis-py-decoded": redis_py_decoded,
    "redis-py-tracking": redis_py_client_side,
    "cashews": cashews,
    "aiocache": aiocache,
}


def measure_now(read: Sync, reads: int) -> float:
    """Seconds for so many reads of one key."""
    key = KEYS[7]
    begun = time.perf_counter()
    for _ in range(reads):
        read(key)
    return time.perf_counter() - begun


async def measure_alone(read: Any, load: Any, keys: list[str]) -> float:
    """Seconds for a read of each key, one after another."""
    begun = time.perf_counter()
    if load is None:
        for key in keys:
            await read(key)
    else:
        for key in keys:
            await read(key, load)
    return time.perf_counter() - begun


async def measure_at_once(read: Any, load: Any) -> float:
    """Seconds for a read of each key by 50 readers, each of keys of its own."""
    begun = time.perf_counter()
    await asyncio.gather(*(measure_alone(read, load, KEYS[number::AT_ONCE]) for number in range(AT_ONCE)))
    return time.perf_counter() - begun


async def measure_passes(peer: Peer, reads: int, is_alone: bool) -> float:
    """Seconds for so many reads of the shared level, in passes over all keys."""
    taken_s = 0.0
    for _ in range(reads // len(KEYS)):
        peer.forget()
        if is_alone:
            taken_s += await measure_alone(peer.shared, peer.load, KEYS)
        else:
            taken_s += await measure_at_once(peer.shared, peer.load)
    return taken_s


async def measure(peer: Peer, what: str, reads: int) -> float | None:
    """Microseconds per read."""
    await asyncio.sleep(0.1)  # renews what has to be renewed between the rounds
    taken_s: float | None = None
    if what == "memory_now" and peer.memory_now is not None:
        taken_s = measure_now(peer.memory_now, reads)
    elif what == "memory" and peer.memory is not None:
        taken_s = await measure_alone(peer.memory, peer.load, KEYS[7:8] * reads)
    elif what.startswith("shared") and peer.shared is not None:
        taken_s = await measure_passes(peer, reads, is_alone=what == "shared")
    return None if taken_s is None else taken_s / reads * 1e6


async def obey(name: str, nats_url: str, valkey_url: str) -> None:
    """Say ready, then measure once for every line that comes."""
    database = list(PEERS).index(name)  # each peer's own
    peer = await PEERS[name](nats_url, f"{valkey_url.rpartition('/')[0]}/{database}")
    print("{}", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"each_us": await measure(peer, **json.loads(line))}), flush=True)


if __name__ == "__main__":
    import uvloop

    gc.set_threshold(50_000, 50, 50)  # as our services run
    uvloop.run(obey(*sys.argv[1:]))
