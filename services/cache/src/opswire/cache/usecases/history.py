"""What happened in the caches over the last days, kept so that a restart neither loses nor doubles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from opswire.cache.usecases.statistics import Counts, Key, Statistics, add


@dataclass(frozen=True, slots=True)
class Size:
    """What one cache of one service holds now."""

    service: str
    cache: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """What one write adds: counts of a span of time, sizes at its end, and how far each process was counted."""

    at_s: int
    fresh: dict[Key, Counts]
    sizes: list[Size]
    counted: dict[str, dict[Key, Counts]]


class HistoryStore(Protocol):
    """Where it is kept. Raises OSError when it cannot."""

    async def write(self, record: Record) -> None:
        """All of it or nothing."""


def sizes_of(statistics: Statistics) -> list[Size]:
    """What each cache of each service holds, added over its processes."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for heard, _ in statistics.holders():
        for cache in heard.report.caches:
            key = (heard.report.service, cache.cache)
            entries, size = found.get(key, (0, 0))
            found[key] = (entries + cache.entries, size + cache.bytes)
    return [Size(service, cache, entries, size) for (service, cache), (entries, size) in sorted(found.items())]


async def write_history(statistics: Statistics, store: HistoryStore, now_s: Callable[[], float], bucket_s: int) -> None:
    """Write what was counted since the last time. What could not be written is written the next time."""
    statistics.forget_gone()
    fresh = statistics.take_fresh()
    counted = {holder_id: dict(keys) for holder_id, keys in statistics.counted.items()}
    at_s = int(now_s()) // bucket_s * bucket_s
    try:
        await store.write(Record(at_s, fresh, sizes_of(statistics), counted))
    except OSError:
        for key, counts in fresh.items():
            add(statistics.fresh.setdefault(key, {}), counts)
        raise
