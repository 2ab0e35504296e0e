"""What the caches of one process did and hold. It may be lost: the next one holds the same counters."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.holder_changed.v1 import HolderId
from opswire.contracts.message import Message, Part
from opswire.contracts.types import Name, Nanoseconds, ShortText
from pydantic import Field

CACHES_MAX = 32
FAMILIES_MAX = 64
TOP_KEYS_MAX = 20
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
CacheKey = Annotated[str, Field(max_length=512)]
Family = Annotated[str, Field(max_length=64)]


class FamilyCounts(Part):
    """Reads of one key family of one cache since the process started, by what became of them."""

    family: Family
    memory_hits: Count = 0
    shared_hits: Count = 0
    coalesced: Count = 0
    misses: Count = 0
    bypasses: Count = 0
    stale_memory: Count = 0
    """Entries in memory that an invalidation had overtaken; refused."""
    stale_shared: Count = 0
    """The same in the shared level."""
    poisoned: Count = 0
    """Bytes in the shared level that are no entry of ours; refused."""
    fills: Count = 0
    negative_fills: Count = 0
    refreshes: Count = 0
    evictions: Count = 0
    dropped: Count = 0
    """Keys that an invalidation dropped from memory."""


class KeyHits(Part):
    """A key in memory and how often it was served from there; long keys are cut."""

    key: CacheKey
    hits: Count


class CacheStatistics(Part):
    """One cache of one process. Counters are since the process started; `checked` hits were recomputed and compared."""

    cache: Name
    is_on: bool
    off_reason: ShortText = ""
    entries: Count
    bytes: Count
    oldest_age_s: Seconds
    checked: Count = 0
    wrong: Count = 0
    families: Annotated[list[FamilyCounts], Field(max_length=FAMILIES_MAX)]
    top_keys: Annotated[list[KeyHits], Field(max_length=TOP_KEYS_MAX)] = Field(default_factory=list)


class CacheStatisticsReported(Message):
    """One holder: how far it is, whether it may serve from its caches, and what each of them did."""

    STEM: ClassVar[str] = "cache_statistics_reported"
    VERSION: ClassVar[int] = 1

    holder_id: HolderId
    service: Name
    started_ns: Nanoseconds
    applied: Count
    inside_lease: bool
    is_shared_away: bool = False
    caches: Annotated[list[CacheStatistics], Field(max_length=CACHES_MAX)]
    at_ns: Nanoseconds
