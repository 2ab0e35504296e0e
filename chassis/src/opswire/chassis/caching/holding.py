"""What a cache holds in memory, what the log says of it, whether it is switched on, and its statistics."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from opswire.chassis.caching.counts import family_of
from opswire.chassis.caching.entry import FORMAT, Entry
from opswire.chassis.caching.families import Families
from opswire.chassis.caching.flight import Flight
from opswire.chassis.caching.levels import Codec, SharedLevel
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.memory import Memory
from opswire.chassis.caching.transparency import Transparency
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics
from opswire.contracts.cache_keys_told.v1 import TAGS_SHOWN_MAX, CachedKey
from opswire.contracts.cache_statistics_reported.v1 import TOP_KEYS_MAX, CacheStatistics, KeyHits

ValueT = TypeVar("ValueT")
WRONG_SHARE_MAX = 0.01
MEMORY_BYTES_MAX = 64 * 1024 * 1024
ENTRY_BYTES_MAX = 1024 * 1024
KEY_SHOWN_CHARACTERS_MAX = 512
TAG_SHOWN_CHARACTERS_MAX = 300


class Holding(Generic[ValueT]):
    """What a cache has in memory, and whether it may serve it. `Cache` adds the reading."""

    __slots__ = (
        "__weakref__",
        "_background",
        "_codec",
        "_counts",
        "_decode",
        "_entries",
        "_entry_bytes_max",
        "_families",
        "_family",
        "_flights",
        "_is_negative",
        "_log",
        "_memory",
        "_negative_ttl_s",
        "_prefix",
        "_sequence_min",
        "_serve_until_s",
        "_shared",
        "_span_attribute",
        "_ttl_s",
        "_wall_ahead_s",
        "name",
        "off_reason",
        "transparency",
        "ttl_max_s",
    )

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
        *,
        bytes_max: int = MEMORY_BYTES_MAX,
        entry_bytes_max: int = ENTRY_BYTES_MAX,
        is_negative: Callable[[ValueT], bool] | None = None,
        negative_ttl_s: float = 5.0,
        family: Callable[[str], str] = family_of,
        check_share: float = 0.0,
        wrong_share_max: float = WRONG_SHARE_MAX,
    ) -> None:
        """Times to live are in seconds. Whoever may write to the shared level is believed."""
        self.name = name
        self.ttl_max_s = ttl_s
        self._codec = codec
        self._decode = codec.decode
        self._log = log
        self._shared = shared
        self._ttl_s = ttl_s
        self._entry_bytes_max = entry_bytes_max
        self._is_negative = is_negative
        self._negative_ttl_s = negative_ttl_s
        self._prefix = f"opswire:{FORMAT}:{name}:"
        self._span_attribute = f"opswire.cache.{name}"
        self._memory: Memory[ValueT] = Memory(entries_max, bytes_max)
        self._entries = self._memory.entries
        self._flights: dict[str, Flight[ValueT]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._families = Families(name, family, metrics)
        self._family, self._counts = family, self._families.known
        # Both are there from the start, so that the first wrong one is a rise from zero.
        right, wrong = (metrics.cache_checked.labels(name, result) for result in ("right", "wrong"))
        told = lambda is_right: (right if is_right else wrong).inc()  # noqa: E731
        self.transparency = Transparency(check_share, wrong_share_max, told)
        self.off_reason = "" if enabled else "switched off by the settings"
        self._sequence_min = 0
        self._serve_until_s = 0.0
        log.followers.append(self)
        self.serve_until(log.lease_until_s)

    def switch_off(self, reason: str) -> None:
        """Read past this cache until it is switched on again; `reason` is shown in its statistics."""
        self.off_reason = reason or "switched off"
        self._serve_until_s = 0.0
        self._memory.drop_all()
        get_logger().error("cache switched off", cache=self.name, reason=self.off_reason)

    def switch_on(self) -> None:
        """Serve again, but nothing from the shared level that was loaded before the log's next message."""
        self.off_reason = ""
        self._sequence_min = self._log.applied + 1
        self.transparency.forget()
        self.serve_until(self._log.lease_until_s)
        get_logger().info("cache switched on", cache=self.name)

    def serve_until(self, lease_until_s: float) -> None:
        """The log's lease; the memory level is served inside it only."""
        # The wall clock is looked at with each lease, not with each read: only ages in the shared level are told by it.
        self._wall_ahead_s = time.time() - time.monotonic()
        self._serve_until_s = 0.0 if self.off_reason else lease_until_s

    def drop(self, tags: list[str]) -> None:
        """Forget what carries any of `tags`: the log says that it changed."""
        self._memory.drop(tags)

    def drop_all(self) -> None:
        """Forget everything."""
        self._memory.drop_all()

    def sample(self) -> None:
        """Choose whose next hits are compared with their source. Called about every second."""
        if self.transparency.share > 0:
            for entry in self.transparency.choose([entry for _, entry in self._entries.items()]):
                entry.is_checked_next = True
                entry.quiet_until_s = 0.0

    @property
    def is_shared_away(self) -> bool:
        """Whether there is a shared level that did not answer lately."""
        return bool(getattr(self._shared, "is_away", False))

    def statistics(self) -> CacheStatistics:
        """What it did since the process started, and holds now. Looks at every entry: not for the reading path."""
        items = list(self._entries.items())
        entries = [entry for _, entry in items]
        oldest_s = min((entry.loaded_s for entry in entries), default=0.0)
        top = heapq.nlargest(TOP_KEYS_MAX, items, key=lambda item: item[1].hits)
        return CacheStatistics(
            cache=self.name,
            is_on=not self.off_reason,
            off_reason=self.off_reason[:1_000],
            entries=len(items),
            bytes=self._memory.bytes,
            oldest_age_s=max(0.0, time.monotonic() - oldest_s) if entries else 0.0,
            checked=self.transparency.checked,
            wrong=self.transparency.wrong,
            families=self._families.told(entries),
            top_keys=[KeyHits(key=_shown(key), hits=entry.hits) for key, entry in top if entry.hits],
        )

    def keys(self, tag: str, limit: int) -> list[CachedKey]:
        """The keys in memory that carry `tag`, or any for the empty one; at most `limit`."""
        found: list[CachedKey] = []
        for key in self._memory.keys_of(tag)[:limit]:
            entry = self._memory.peek(key)
            if entry is not None:
                found.append(_told(self.name, key, entry))
        return found


def _shown(key: str) -> str:
    return key[:KEY_SHOWN_CHARACTERS_MAX]


def _told(cache: str, key: str, entry: Entry[ValueT]) -> CachedKey:
    return CachedKey(
        cache=cache,
        key=_shown(key),
        tags=[tag[:TAG_SHOWN_CHARACTERS_MAX] for tag in entry.tags[:TAGS_SHOWN_MAX] if tag],
        age_s=max(0.0, time.monotonic() - entry.loaded_s),
        hits=entry.hits,
        bytes=entry.bytes,
    )
