"""A two-level cache, memory and Valkey, whose entries are refused once an invalidation overtook them.

Guarantee: a read that begins after an invalidation was acknowledged never returns a value whose load began before it,
in any process, at either level, whatever single fault happens. An acknowledgement is that of acknowledger.py, or
`LEASE_S` plus a margin after the invalidation was stored. The load itself must read the source of record: what a
lagging replica answers is as old as the replica.

Valkey may be away from the start, come back, die again, be slow, emptied or filled with nonsense: the answers are the
same, slower, and nothing needs a restart. While the log or the lease is lost, reads go to the source. Errors are never
cached. What has expired by its time to live is not served, except that a clock set back lengthens a life in the shared
level by one more time to live at most.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Awaitable
from contextvars import Context
from time import monotonic
from typing import TypeVar
from zlib import crc32

from opswire.chassis.caching.entry import CHECK_BYTES, CHECKED, HEAD, OVERHEAD_BYTES, Entry, pack
from opswire.chassis.caching.flight import Flight
from opswire.chassis.caching.holding import Holding
from opswire.chassis.caching.levels import Load
from opswire.chassis.caching.stamp import Stamp
from opswire.chassis.caching.transparency import GRACE_S
from opswire.chassis.logs import get_logger
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, _current, span

ValueT = TypeVar("ValueT")
_unpacked, HEAD_BYTES = HEAD.unpack_from, HEAD.size
_enclosing = _current.get  # not by way of `current_span`: a call more would be a sixth of a hit
JOINS_MAX = 2
"""How many flights of others a read waits for in turn before it loads for itself."""
REFRESH_SHARE = 0.1
"""The last part of an entry's life, in which a hit loads it anew in the background."""


class Cache(Holding[ValueT]):
    """One named cache. Keys hold what the value depends on that no tag says: tenant, identity, model, prompt."""

    __slots__ = ()

    def read_now(self, key: str) -> ValueT | None:
        """What memory holds and may serve at this moment, or None; then `await read`. Nothing is refreshed by it."""
        try:
            entry = self._entries[key]
        except KeyError:
            return None
        now_s = monotonic()
        if now_s < entry.expires_s and now_s < self._serve_until_s:
            entry.hits += 1
            return entry.value
        return None

    async def read(
        self, key: str, load: Load[ValueT], fresh: bool = False, ttl_s: float | None = None
    ) -> tuple[ValueT, str]:
        """The value, and where it came from: `memory`, `shared`, `coalesced`, `miss` or `bypass`.

        With `fresh` it is loaded anew and kept. `ttl_s` is this entry's time to live, if not the cache's. A hit in
        memory is an attribute of the enclosing span; everything else has a span of its own. Raises what `load` raises.
        """
        if not fresh:
            try:
                entry = self._entries[key]  # not `get`: a tenth of a hit in memory
            except KeyError:  # awaiting here would drag the exception along
                pass
            else:
                now_s = monotonic()
                if now_s < entry.quiet_until_s and now_s < self._serve_until_s:
                    entry.hits += 1
                    current = _enclosing()
                    if current is not None:
                        current.attributes[self._span_attribute] = "memory"
                    return entry.hit
                if self._attend(key, entry, now_s, load, ttl_s):
                    entry.hits += 1
                    return entry.hit
        return await self._look_further(key, load, fresh, ttl_s)

    def _attend(self, key: str, entry: Entry[ValueT], now_s: float, load: Load[ValueT], ttl_s: float | None) -> bool:
        """Whether an entry that needs more than a look may be served; begins what it needs."""
        if now_s >= self._serve_until_s:
            return False
        if now_s >= entry.expires_s:
            self._memory.pop(key)
            return False
        if entry.is_checked_next:
            entry.is_checked_next = False
            entry.quiet_until_s = entry.refresh_s
            self._begin(self._compare(key, entry, load))
        elif now_s >= entry.refresh_s:
            entry.quiet_until_s = entry.refresh_s = entry.expires_s
            self._begin(self._refresh(key, entry, load, ttl_s))
        return True

    # Elsewhere.

    async def _look_further(self, key: str, load: Load[ValueT], fresh: bool, ttl_s: float | None) -> tuple[ValueT, str]:
        """What another's flight brings, or the shared level, or the source. The span ends before a load begins."""
        outcome = "bypass"
        flight: Flight[ValueT] | None = None
        entry: Entry[ValueT] | None = None
        current: Span | None = None
        if _enclosing() is not None:  # without a trace that it is part of, a lookup is of no interest
            current = span("cache lookup", Stage.CACHE_LOOKUP, {"opswire.cache.name": self.name})
        try:
            begun_s = monotonic()
            if not fresh and begun_s < self._serve_until_s:
                outcome = "coalesced"
                if key in self._flights:
                    entry = await self._join(key)
                if entry is None:
                    # Led from here on, before anything is awaited: who comes next joins instead of asking too.
                    flight, outcome = Flight(), "miss"
                    self._flights[key] = flight
                    if self._shared is not None:
                        data = await self._shared.get(self._prefix + key)
                        entry = None if data is None else self._read_bytes(key, data, begun_s)
                    if entry is not None:
                        outcome = "shared"
                        self._memory.put(key, entry)
                        self._land(key, flight, entry)
                        entry.family.shared_hits += 1
                        return entry.value, outcome
        except BaseException as error:
            if flight is not None:
                self._fail(key, flight, error)
            raise
        finally:
            if current is not None:
                current.attributes["opswire.cache.outcome"] = outcome
                current.finish()
        counts = self._families.of(key)
        if entry is not None:
            counts.coalesced += 1
            return entry.value, outcome
        if flight is not None:
            counts.misses += 1
            return (await self._load_as_leader(key, load, flight, ttl_s)).value, outcome
        counts.bypasses += 1
        return await self._load_past(key, load, fresh, ttl_s), outcome

    async def _load_past(self, key: str, load: Load[ValueT], fresh: bool, ttl_s: float | None) -> ValueT:
        """Load for this read alone. A fresh value is better than what is kept, so it is kept."""
        stamp, begun_s = self._log.stamp, monotonic()
        value, tags = await load()
        if fresh and not self.off_reason:
            await self._keep(key, self._entry_of(key, value, tags, stamp, begun_s, ttl_s))
        return value

    async def _join(self, key: str) -> Entry[ValueT] | None:
        """What another's flight brings."""
        for _ in range(JOINS_MAX):
            flight = self._flights.get(key)
            if flight is None:
                break
            joined = await asyncio.shield(flight.joined())
            # Whoever joins another's flight checks again after it: the flight began before this read did.
            if self._is_good(joined):
                return joined
        return None

    def _is_good(self, entry: Entry[ValueT]) -> bool:
        return monotonic() < entry.expires_s and self._log.is_valid(entry.stamp, entry.tags) and self._log.inside_lease

    def _land(self, key: str, flight: Flight[ValueT], entry: Entry[ValueT]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.waited_for is not None:
            flight.land(entry)

    def _fail(self, key: str, flight: Flight[ValueT], error: BaseException) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        flight.fail(error)

    def _read_bytes(self, key: str, data: bytes, begun_s: float) -> Entry[ValueT] | None:
        """The entry in bytes of the shared level, when it is one of this key and true; `pack` says what it is made of.

        It has to be alive, and the lease to hold, when the read began: whatever is acknowledged later began later. In
        one piece, because this is half of a hit without its decoding.
        """
        counts = self._counts.get(self._family(key)) or self._families.of(key)
        try:
            if crc32(data) != CHECKED:
                raise ValueError("the checksum does not fit")
            sequence, proof, loaded, ttl_s, length, tags_count = _unpacked(data)
            end = HEAD_BYTES + length
            tags = data[HEAD_BYTES:end].decode().split("\0", tags_count)
            if tags.pop() != key or len(tags) != tags_count:
                raise ValueError("not an entry of this key")
            stamp = self._log.valid_stamp(sequence, proof, tags)
            if stamp is None or sequence < self._sequence_min:
                counts.stale_shared += 1
                return None
            encoded = data[end:-CHECK_BYTES]
            value = self._decode(encoded)
            loaded_s = loaded - self._wall_ahead_s
            if loaded_s > begun_s:  # a moment ago, or a clock was set back: one more time to live at most
                loaded_s = begun_s
            expires_s = loaded_s + ttl_s
            if not begun_s < expires_s:
                if begun_s >= expires_s:
                    return None
                raise ValueError("a time that is no number")
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error):
            counts.poisoned += 1
            return None
        if begun_s >= self._serve_until_s:  # the lease was given up or the cache switched off meanwhile
            return None
        refresh_s = expires_s - ttl_s * REFRESH_SHARE
        size, hit = len(encoded) + len(key) + OVERHEAD_BYTES, (value, "memory")
        return Entry(value, tags, stamp, loaded_s, expires_s, refresh_s, size, counts, refresh_s, hit)

    # Loads.

    async def _load_as_leader(
        self, key: str, load: Load[ValueT], flight: Flight[ValueT], ttl_s: float | None
    ) -> Entry[ValueT]:
        stamp, begun_s = self._log.stamp, monotonic()  # before the load: stamping after it lets a lost race in
        try:
            value, tags = await load()
            entry = self._entry_of(key, value, tags, stamp, begun_s, ttl_s)
        except BaseException as error:
            self._fail(key, flight, error)
            raise
        self._land(key, flight, entry)
        await self._keep(key, entry)
        return entry

    def _entry_of(
        self, key: str, value: ValueT, tags: list[str], stamp: Stamp, begun_s: float, ttl_s: float | None
    ) -> Entry[ValueT]:
        counts = self._families.of(key)
        wanted_s = self._ttl_s if ttl_s is None else ttl_s
        if self._is_negative is not None and self._is_negative(value):
            wanted_s = min(wanted_s, self._negative_ttl_s)
            counts.negative_fills += 1
        self.ttl_max_s = max(self.ttl_max_s, wanted_s)
        # Jitter, so that what was filled together does not expire together.
        life_s = wanted_s * random.uniform(0.9, 1.0)  # noqa: S311  no secret
        expires_s = begun_s + life_s
        refresh_s = expires_s - life_s * REFRESH_SHARE
        return Entry(value, tuple(tags), stamp, begun_s, expires_s, refresh_s, 0, counts, refresh_s, (value, "memory"))

    async def _keep(self, key: str, entry: Entry[ValueT]) -> None:
        """Keep a loaded entry at both levels, unless an invalidation overtook its load."""
        if not self._is_good(entry):
            if not self._log.is_valid(entry.stamp, entry.tags):
                entry.family.stale_memory += 1
            return
        if self.off_reason:
            return
        encoded = self._codec.encode(entry.value)
        entry.bytes = len(encoded) + len(key) + OVERHEAD_BYTES
        if len(encoded) > self._entry_bytes_max:
            return
        kept = self._memory.peek(key)
        if kept is not None and kept.loaded_s > entry.loaded_s:
            return  # a fresh read overtook this one
        self._memory.put(key, entry)
        entry.family.fills += 1
        if self._shared is not None:
            age_s, life_s = monotonic() - entry.loaded_s, entry.expires_s - entry.loaded_s
            data = pack(key, entry.stamp, age_s, life_s, entry.tags, encoded)
            await self._shared.set(self._prefix + key, data, life_s - age_s)

    # In the background.

    def _begin(self, work: Awaitable[None]) -> None:
        # In a context of its own: the request that happened to begin it must not be told of its time.
        task = asyncio.get_running_loop().create_task(self._guarded(work), context=Context())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  the entry is still served; whoever reads it next loads it in earnest
            get_logger().info("a background load failed", cache=self.name, error=type(error).__name__)

    async def _refresh(self, key: str, old: Entry[ValueT], load: Load[ValueT], ttl_s: float | None) -> None:
        stamp, begun_s = self._log.stamp, monotonic()
        value, tags = await load()
        old.family.refreshes += 1
        await self._keep(key, self._entry_of(key, value, tags, stamp, begun_s, ttl_s))

    async def _compare(self, key: str, entry: Entry[ValueT], load: Load[ValueT]) -> None:
        """Whether the source says what was served; an entry that an invalidation caught meanwhile says nothing."""
        is_right = await self._is_like_source(entry, load)
        if not is_right:
            await asyncio.sleep(GRACE_S)
            is_right = await self._is_like_source(entry, load)
        if not self._log.is_valid(entry.stamp, entry.tags):
            return
        if not is_right:
            get_logger().warning("a hit was not what its source says", cache=self.name, family=entry.family.family)
            self._memory.pop(key)
        reason = self.transparency.record(is_right)
        if reason and not self.off_reason:
            self.switch_off(reason)

    async def _is_like_source(self, entry: Entry[ValueT], load: Load[ValueT]) -> bool:
        return self._codec.encode((await load())[0]) == self._codec.encode(entry.value)
