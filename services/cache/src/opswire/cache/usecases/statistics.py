"""What all caches of all processes do, added up from what each process says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import FamilyCounts

COUNTERS = tuple(name for name in FamilyCounts.model_fields if name != "family")
"""What is counted of a key family, by the contract."""
HITS = ("memory_hits", "shared_hits", "coalesced")
READS = (*HITS, "misses", "bypasses")
FORGOTTEN_AFTER_S = 60.0
NEW_NS = 120 * 10**9
SILENT_AFTER_S = 5.0
"""A process says what its caches do every second or two."""

Key = tuple[str, str, str]
"""Service, cache, key family."""
Counts = dict[str, int]


def hit_rate(counts: Counts) -> float | None:
    """The share of reads that were answered without their source; None before the first."""
    reads = sum(counts.get(name, 0) for name in READS)
    return sum(counts.get(name, 0) for name in HITS) / reads if reads else None


def add(into: Counts, counts: Counts) -> None:
    """Add counter by counter."""
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count


@dataclass(slots=True)
class Heard:
    """The last report of one process, and when it came (monotonic seconds)."""

    report: CacheStatisticsReported
    at_s: float


@dataclass(slots=True)
class Statistics:
    """Keeps the last report of each process, and what was counted since anybody asked."""

    clock: Callable[[], float]
    now_ns: Callable[[], int]
    counted: dict[str, dict[Key, Counts]] = field(default_factory=dict)
    """Of each process, what of its counters was taken already; restored after a restart, so nothing counts twice."""
    heard: dict[str, Heard] = field(default_factory=dict)
    fresh: dict[Key, Counts] = field(default_factory=dict)

    def hear(self, report: CacheStatisticsReported) -> None:
        """Take one report. They are told apart by process; an older one than the last is left alone."""
        known = self.heard.get(report.holder_id)
        if known is not None and known.report.at_ns > report.at_ns:
            return
        self.heard[report.holder_id] = Heard(report, self.clock())
        taken = self.counted.get(report.holder_id)
        if taken is None:
            taken = self.counted[report.holder_id] = {}
            if self.now_ns() - report.started_ns > NEW_NS:
                # Running for long and new to us: what it did before belongs to no span of time that we know.
                taken.update(_counts_of(report))
        for key, counts in _counts_of(report):
            before = taken.get(key, {})
            grown = {name: count - before.get(name, 0) for name, count in counts.items()}
            grown = {name: count for name, count in grown.items() if count > 0}
            if grown:
                add(self.fresh.setdefault(key, {}), grown)
            taken[key] = counts

    def take_fresh(self) -> dict[Key, Counts]:
        """What was counted since the last call; then it begins anew."""
        fresh, self.fresh = self.fresh, {}
        return fresh

    def forget_gone(self) -> list[str]:
        """Forget who has said nothing for a minute; answers their ids."""
        gone = [name for name, heard in self.heard.items() if self.clock() - heard.at_s > FORGOTTEN_AFTER_S]
        for name in gone:
            del self.heard[name]
            self.counted.pop(name, None)
        return gone

    def holders(self) -> list[tuple[Heard, float]]:
        """Every process that was heard of lately, and how many seconds ago."""
        found = [(heard, self.clock() - heard.at_s) for heard in self.heard.values()]
        return sorted(found, key=lambda one: (one[0].report.service, one[0].report.holder_id))

    def living(self) -> set[str]:
        """Who spoke within the last seconds."""
        return {heard.report.holder_id for heard, ago_s in self.holders() if ago_s < SILENT_AFTER_S}


def _counts_of(report: CacheStatisticsReported) -> Iterator[tuple[Key, Counts]]:
    for cache in report.caches:
        for family in cache.families:
            counts = {name: int(getattr(family, name)) for name in COUNTERS}
            yield (report.service, cache.cache, family.family), counts
