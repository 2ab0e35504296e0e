"""One holder's answer to which keys it has in memory."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.cache_keys_asked.v1 import KEYS_MAX, QueryId
from opswire.contracts.cache_statistics_reported.v1 import CacheKey, Count, Seconds
from opswire.contracts.caches_invalidated.v1 import Tag
from opswire.contracts.holder_changed.v1 import HolderId
from opswire.contracts.message import Message, Part
from opswire.contracts.types import Name
from pydantic import Field

TAGS_SHOWN_MAX = 20


class CachedKey(Part):
    """A key in memory: its cache, tags (the first of many), age, hits and size. Long keys are cut."""

    cache: Name
    key: CacheKey
    tags: Annotated[list[Tag], Field(max_length=TAGS_SHOWN_MAX)]
    age_s: Seconds
    hits: Count
    bytes: Count


class CacheKeysTold(Message):
    """The keys that were asked for; `is_cut` when there were more than the limit."""

    STEM: ClassVar[str] = "cache_keys_told"
    VERSION: ClassVar[int] = 1

    query_id: QueryId
    holder_id: HolderId
    service: Name
    keys: Annotated[list[CachedKey], Field(max_length=KEYS_MAX)]
    is_cut: bool = False
