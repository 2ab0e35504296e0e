"""A two-level cache, memory and Valkey, whose entries are refused once an invalidation overtook them.

Guarantee: a read that begins after an invalidation was acknowledged (stored, plus the lease) never returns a value
whose load began before it, in any process, at either level. Valkey may be away, slow, emptied or poisoned: the answers
are the same, slower. Errors are never cached. While the log or the lease is lost, reads go to the source.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import orjson
from cachebox import LRUCache
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.errors import RetryableError
from opswire.chassis.metrics import Metrics
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span

ValueT = TypeVar("ValueT")
JOINS_MAX = 2
"""How many flights of others a read waits for in turn before it loads for itself."""
Load = Callable[[], Awaitable[tuple[ValueT, list[str]]]]
"""Answers the value and the tags that it depends on."""


class Codec(Protocol[ValueT]):
    """How a value is written to the shared level."""

    def encode(self, value: ValueT) -> bytes:
        """The value as bytes."""

    def decode(self, data: bytes) -> ValueT:
        """The value again. Raises ValueError on foreign bytes."""


class SharedLevel(Protocol):
    """The shared level: bytes under a key, for a while. Never raises; away means None."""

    async def get(self, key: str) -> bytes | None:
        """The bytes, or None when there are none or the server does not answer in time."""

    async def set(self, key: str, data: bytes, ttl_s: float) -> None:
        """Keep the bytes; silently not, when the server is away."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[ValueT]):
    value: ValueT
    tags: tuple[str, ...]
    epoch: str
    stamp: int
    expires_s: float


_Flight: TypeAlias = asyncio.Future[_Entry[ValueT]]


class Cache(Generic[ValueT]):
    """One named cache. Keys must hold everything the value depends on that no tag says."""

    def __init__(
        self,
        name: str,
        codec: Codec[ValueT],
        log: InvalidationLog,
        shared: SharedLevel | None,
        metrics: Metrics,
        ttl_s: float,
        entries_max: int = 10_000,
        enabled: bool = True,
    ) -> None:
        self._name = name
        self._codec = codec
        self._log = log
        self._shared = shared
        self._ttl_s = ttl_s
        self._enabled = enabled
        self._memory: LRUCache[str, _Entry[ValueT]] = LRUCache(entries_max)
        self._flights: dict[str, _Flight[ValueT]] = {}
        self._reads = {
            outcome: metrics.cache_reads.labels(name, outcome)
            for outcome in ("memory", "shared", "coalesced", "miss", "bypass", "stale", "poisoned")
        }

    async def read(self, key: str, load: Load[ValueT]) -> tuple[ValueT, str]:
        """The value, and where it came from: `memory`, `shared`, `coalesced`, `miss` or `bypass`.

        Raises what `load` raises.
        """
        flight: _Flight[ValueT] | None = None
        with span("cache lookup", Stage.CACHE_LOOKUP, {"opswire.cache.name": self._name}) as current:
            if not self._enabled or not self._log.inside_lease:
                outcome, entry = "bypass", None
            else:
                outcome, entry = await self._find_here(key)
                if entry is None:
                    # Led from here on, before anything is awaited: who comes next joins instead of asking too.
                    flight = self._lead(key)
                    outcome, entry = await self._find_shared(key, flight)
            current.attributes["opswire.cache.outcome"] = outcome
        self._reads[outcome].inc()
        if entry is not None:
            return entry.value, outcome
        if flight is None:
            return (await load())[0], outcome
        return (await self._load_as_leader(key, load, flight)).value, outcome

    async def _find_here(self, key: str) -> tuple[str, _Entry[ValueT] | None]:
        """What memory holds, or what another's flight brings."""
        entry = self._memory.get(key)
        if entry is not None:
            if self._is_good(entry):
                return "memory", entry
            self._reads["stale"].inc()
            self._memory.pop(key, None)
        for _ in range(JOINS_MAX):
            flight = self._flights.get(key)
            if flight is None:
                break
            joined = await asyncio.shield(flight)
            # Whoever joins another's flight checks again after it: the flight began before this read did.
            if self._is_good(joined):
                return "coalesced", joined
        return "miss", None

    def _is_good(self, entry: _Entry[ValueT]) -> bool:
        return (
            time.time() < entry.expires_s
            and self._log.is_valid(entry.epoch, entry.stamp, entry.tags)
            and self._log.inside_lease
        )

    def _lead(self, key: str) -> _Flight[ValueT]:
        flight: _Flight[ValueT] = asyncio.get_running_loop().create_future()
        flight.add_done_callback(_retrieve)
        self._flights[key] = flight
        return flight

    def _land(self, key: str, flight: _Flight[ValueT], result: _Entry[ValueT] | BaseException) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if isinstance(result, _Entry):
            flight.set_result(result)
        else:
            stopped = RetryableError("the read that was joined was stopped")
            flight.set_exception(result if isinstance(result, Exception) else stopped)

    async def _find_shared(self, key: str, flight: _Flight[ValueT]) -> tuple[str, _Entry[ValueT] | None]:
        """What the shared level holds: then the flight has landed."""
        try:
            entry = await self._read_shared(key)
        except BaseException as error:
            self._land(key, flight, error)
            raise
        if entry is None:
            return "miss", None
        self._memory[key] = entry
        self._land(key, flight, entry)
        return "shared", entry

    async def _read_shared(self, key: str) -> _Entry[ValueT] | None:
        data = await self._shared.get(self._key(key)) if self._shared is not None else None
        if data is None:
            return None
        try:
            entry = self._decoded(key, data)
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
            self._reads["poisoned"].inc()
            return None
        if not self._is_good(entry):
            self._reads["stale"].inc()
            return None
        return entry

    def _decoded(self, key: str, data: bytes) -> _Entry[ValueT]:
        """The entry in bytes of the shared level. Raises ValueError and its like when they are not one for this key."""
        own, epoch, stamp, expires_s, tags, text = orjson.loads(data)
        if own != key or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise ValueError("not an entry of this key")
        return _Entry(self._codec.decode(text.encode()), tuple(tags), str(epoch), int(stamp), float(expires_s))

    async def _load_as_leader(self, key: str, load: Load[ValueT], flight: _Flight[ValueT]) -> _Entry[ValueT]:
        epoch, stamp = self._log.epoch, self._log.applied  # before the load: stamping after it lets a lost race in
        try:
            value, tags = await load()
        except BaseException as error:
            self._land(key, flight, error)
            raise
        # Jitter, so that what was filled together does not expire together.
        expires_s = time.time() + self._ttl_s * random.uniform(0.9, 1.1)  # noqa: S311
        entry = _Entry(value, tuple(tags), epoch, stamp, expires_s)
        self._land(key, flight, entry)
        await self._keep(key, entry)
        return entry

    async def _keep(self, key: str, entry: _Entry[ValueT]) -> None:
        if not self._is_good(entry):
            return
        self._memory[key] = entry
        if self._shared is not None:
            text = self._codec.encode(entry.value).decode()
            data = orjson.dumps([key, entry.epoch, entry.stamp, entry.expires_s, entry.tags, text])
            await self._shared.set(self._key(key), data, max(1.0, entry.expires_s - time.time()))

    def _key(self, key: str) -> str:
        return f"opswire:{self._name}:{key}"


def _retrieve(flight: _Flight[ValueT]) -> None:
    """Mark a failed flight's error as seen; the leader raises it, and so does everyone who joined."""
    if not flight.cancelled():
        flight.exception()
