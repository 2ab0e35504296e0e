"""An entry, in memory and as bytes of the shared level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from time import time
from typing import Generic, TypeVar
from zlib import crc32

from opswire.chassis.caching.counts import Counts
from opswire.chassis.caching.stamp import Stamp

ValueT = TypeVar("ValueT")
FORMAT = "5"
"""Part of every key of the shared level: another layout of the bytes is another key, never a misread one."""
CHECK_BYTES = 4
CHECKED = 0x2144DF1C
"""The CRC-32 of anything that ends with its own CRC-32: one look at all bytes, and none of them is copied for it."""
HEAD = Struct(">Q16sddII")
"""Its stamp's sequence and proof, the wall clock at its load, its time to live, bytes of the names, number of tags."""
OVERHEAD_BYTES = 400
"""What an entry costs in memory beside its encoded value and key: objects, places in the tables."""


@dataclass(slots=True, eq=False)
class Entry(Generic[ValueT]):
    """A value and what decides whether it may be served. Times are on the monotonic clock."""

    value: ValueT
    tags: Sequence[str]
    stamp: Stamp
    loaded_s: float
    expires_s: float
    refresh_s: float
    """From when on a hit loads it anew in the background."""
    bytes: int
    """What it takes in memory, about: its value is counted as long as it is when encoded."""
    family: Counts
    quiet_until_s: float
    """Until then a hit needs nothing but the lease."""
    hit: tuple[ValueT, str]
    hits: int = 0
    hits_seen: int = 0
    is_checked_next: bool = False

    def freed(self) -> None:
        """It left memory: its hits stay counted."""
        self.family.memory_hits += self.hits
        self.hits = self.hits_seen = 0


def pack(key: str, stamp: Stamp, age_s: float, ttl_s: float, tags: Sequence[str], encoded: bytes) -> bytes:
    """An entry as bytes: a head, the tags and the key, the value as its codec wrote it, a checksum over all of them.

    The age is kept by the wall clock, the only one that processes share. That no stale value is served never rests on
    it. The key stands last, so it may hold anything; a tag with a NUL in it makes an entry that is always a miss.
    """
    names = "\0".join((*tags, key)).encode()
    head = HEAD.pack(stamp.sequence, stamp.proof, time() - age_s, ttl_s, len(names), len(tags))
    body = head + names + encoded
    return body + crc32(body).to_bytes(CHECK_BYTES, "little")
