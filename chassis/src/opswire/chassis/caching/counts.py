"""What became of the reads of one key family."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from opswire.contracts.cache_statistics_reported.v1 import FamilyCounts

OTHER_FAMILIES = "(other)"


@dataclass(slots=True, eq=False)
class Counts:
    """Counters since the process started. Hits of entries that are in memory now are counted on the entries."""

    family: str
    memory_hits: int = 0
    shared_hits: int = 0
    coalesced: int = 0
    misses: int = 0
    bypasses: int = 0
    stale_memory: int = 0
    stale_shared: int = 0
    poisoned: int = 0
    fills: int = 0
    negative_fills: int = 0
    refreshes: int = 0
    evictions: int = 0
    dropped: int = 0

    def told(self, hits_in_memory: int) -> FamilyCounts:
        """As it is told to the cache service."""
        fields = asdict(self)
        fields["memory_hits"] += hits_in_memory
        return FamilyCounts(**fields)


def family_of(key: str) -> str:
    """The family where a cache names none: what stands before the first colon."""
    return key.partition(":")[0]
