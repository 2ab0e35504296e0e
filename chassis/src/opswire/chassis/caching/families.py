"""Counts the reads of one cache by key family, and for Prometheus by outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opswire.chassis.caching.counts import OTHER_FAMILIES, Counts
from opswire.contracts.cache_statistics_reported.v1 import FAMILIES_MAX, FamilyCounts

if TYPE_CHECKING:
    from opswire.chassis.caching.entry import Entry
    from opswire.chassis.metrics import Metrics

_LABELS = {
    "memory_hits": "memory",
    "shared_hits": "shared",
    "coalesced": "coalesced",
    "misses": "miss",
    "bypasses": "bypass",
    "stale_memory": "stale",
    "stale_shared": "stale",
    "poisoned": "poisoned",
}


class Families:
    """The families of one cache; beyond the most that are told of, they share one."""

    def __init__(self, cache: str, family: Callable[[str], str], metrics: Metrics) -> None:
        self._family = family
        self.known: dict[str, Counts] = {}
        self._reads = {field: metrics.cache_reads.labels(cache, label) for field, label in _LABELS.items()}
        self._told = dict.fromkeys(_LABELS, 0)

    def of(self, key: str) -> Counts:
        """The counters of a key's family."""
        name = self._family(key)
        found = self.known.get(name)
        return self._new(name) if found is None else found

    def _new(self, name: str) -> Counts:
        name = name[:64]
        found = self.known.get(name)
        if found is None:
            if len(self.known) >= FAMILIES_MAX - 1:
                name = OTHER_FAMILIES
            found = self.known.setdefault(name, Counts(name))
        return found

    def told(self, entries: list[Entry[Any]]) -> list[FamilyCounts]:
        """All counters, with the hits of what is in memory now; brings Prometheus' counters up to date.

        Prometheus' own counters take a lock each: too dear for every read.
        """
        hits: dict[int, int] = {}
        for entry in entries:
            hits[id(entry.family)] = hits.get(id(entry.family), 0) + entry.hits
        found = [counts.told(hits.get(id(counts), 0)) for counts in self.known.values()]
        for field, counter in self._reads.items():
            total = sum(getattr(family, field) for family in found)
            counter.inc(max(0, total - self._told[field]))
            self._told[field] = max(total, self._told[field])
        return found
