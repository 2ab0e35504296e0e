"""Asks every cache holder which keys it has in memory. It may be lost: the answer then lacks holders."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import Message
from pydantic import Field

KEYS_MAX = 1_000
QueryId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class CacheKeysAsked(Message):
    """Which keys carry `tag` (or any, without one) in `cache` (or any)? At most `limit` of each cache."""

    STEM: ClassVar[str] = "cache_keys_asked"
    VERSION: ClassVar[int] = 1

    query_id: QueryId
    tag: Annotated[str, Field(max_length=300)] = ""
    cache: Annotated[str, Field(max_length=256)] = ""
    limit: Annotated[int, Field(ge=1, le=KEYS_MAX)] = 100
