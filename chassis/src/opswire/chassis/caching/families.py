"""Counts the reads of one cache by key family, and for Prometheus by outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opswire.chassis.caching.counts import OTHER_FAMILIES, Counts
from opswire.contracts.cache_statistics_reported.v1 import FAMILIES_MAX, FamilyCounts

if TYPE_CHECKING:
    from opswire.chassis.caching.entry import Entry
    from opswire.chassis.metrics import Metrics

_FIELDS = {
    "shared": "shared_hits",
    "coalesced": "coalesced",
    "miss": "misses",
    "bypass": "bypasses",
    "stale_memory": "stale_memory",
    "stale_shared": "stale_shared",
    "poisoned": "poisoned",
}
_LABELS = {"stale_memory": "stale", "stale_shared": "stale"}


class Families:
    """The families of one cache; beyond the most that are told of, they share one."""

    def __init__(self, cache: str, family: Callable[[str], str], metrics: Metrics) -> None:
        self._family = family
        self._counts: dict[str, Counts] = {}
        self._reads = {outcome: metrics.cache_reads.labels(cache, _LABELS.get(outcome, outcome)) for outcome in _FIELDS}
        self._memory_reads = metrics.cache_reads.labels(cache, "memory")
        self._memory_told = 0

    def of(self, key: str) -> Counts:
        """The counters of a key's family."""
        name = self._family(key)[:64]
        found = self._counts.get(name)
        if found is None:
            if len(self._counts) >= FAMILIES_MAX - 1:
                name = OTHER_FAMILIES
            found = self._counts.setdefault(name, Counts(name))
        return found

    def count(self, counts: Counts, outcome: str) -> None:
        """One read, or one refusal, with this outcome."""
        field = _FIELDS[outcome]
        setattr(counts, field, getattr(counts, field) + 1)
        self._reads[outcome].inc()

    def told(self, entries: list[Entry[Any]]) -> list[FamilyCounts]:
        """All counters, with the hits of what is in memory now; brings Prometheus' count of memory hits up to date."""
        hits: dict[int, int] = {}
        for entry in entries:
            hits[id(entry.family)] = hits.get(id(entry.family), 0) + entry.hits
        found = [counts.told(hits.get(id(counts), 0)) for counts in self._counts.values()]
        total = sum(family.memory_hits for family in found)
        self._memory_reads.inc(max(0, total - self._memory_told))
        self._memory_told = max(total, self._memory_told)
        return found
