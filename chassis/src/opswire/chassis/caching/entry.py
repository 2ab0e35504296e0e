"""An entry, in memory and as bytes of the shared level."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from time import time
from typing import Generic, TypeVar
from zlib import crc32

from opswire.chassis.caching.counts import Counts
from opswire.chassis.caching.stamp import Stamp
from orjson import dumps, loads

ValueT = TypeVar("ValueT")
FORMAT = "4"
"""Part of every key of the shared level: another layout of the bytes is another key, never a misread one."""
CHECK_BYTES = 4
CHECKED = 0x2144DF1C
"""The CRC-32 of anything that ends with its own CRC-32: one look at all bytes, and none of them is copied for it."""
_HEAD = Struct(">IQQdd")
_unpacked = _HEAD.unpack_from
HEAD_BYTES = _HEAD.size
OVERHEAD_BYTES = 400
"""What an entry costs in memory beside its encoded value and key: objects, places in the tables."""


@dataclass(slots=True, eq=False)
class Entry(Generic[ValueT]):
    """A value and what decides whether it may be served. Times are on the monotonic clock."""

    value: ValueT
    tags: tuple[str, ...]
    stamp: Stamp
    loaded_s: float
    expires_s: float
    refresh_s: float
    """From when on a hit loads it anew in the background."""
    encoded_bytes: int
    """How long its value is as bytes; these themselves are not kept."""
    family: Counts
    quiet_until_s: float
    """Until then a hit needs nothing but the lease."""
    hit: tuple[ValueT, str]
    hits: int = 0
    hits_seen: int = 0
    is_checked_next: bool = False
    bytes: int = 0

    def freed(self) -> None:
        """It left memory: its hits stay counted."""
        self.family.memory_hits += self.hits
        self.hits = self.hits_seen = 0


def pack(key: str, stamp: Stamp, age_s: float, ttl_s: float, tags: tuple[str, ...], encoded: bytes) -> bytes:
    """An entry as bytes: numbers, the names, the value as its codec wrote it, a checksum over all of them.

    The age is kept by the wall clock, the only one that processes share; `unpack` lets a clock that jumped lengthen a
    life by one more TTL at most. That no stale value is served never rests on it.
    """
    names = dumps([key, stamp.history, tags])
    body = _HEAD.pack(len(names), stamp.sequence, stamp.mark_ns, time() - age_s, ttl_s) + names + encoded
    return body + crc32(body).to_bytes(CHECK_BYTES, "little")


def unpack(key: str, data: bytes) -> tuple[tuple[str, int, int], float, float, list[str], bytes]:
    """What its stamp was made of, age and time to live in seconds, tags and the value's bytes, not decoded yet.

    Raises ValueError, TypeError or struct.error when they are not an entry of this key.
    """
    if crc32(data) != CHECKED:
        raise ValueError("the checksum does not fit")
    length, sequence, mark_ns, loaded, ttl_s = _unpacked(data)
    end = HEAD_BYTES + length
    own, history, tags = loads(data[HEAD_BYTES:end])
    age_s = time() - loaded
    if own != key or type(tags) is not list or ttl_s != ttl_s or age_s != age_s:
        raise ValueError("not an entry of this key")
    "".join(tags)  # a TypeError where one of them is no text
    return (history, sequence, mark_ns), age_s if age_s > 0.0 else 0.0, ttl_s, tags, data[end:-CHECK_BYTES]
