"""An entry, in memory and as bytes of the shared level."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import Generic, NamedTuple, TypeVar
from zlib import crc32

import orjson
from opswire.chassis.caching.counts import Counts
from opswire.chassis.caching.stamp import Stamp

ValueT = TypeVar("ValueT")
FORMAT = "3"
"""Part of every key of the shared level: another layout of the bytes is another key, never a misread one."""
SEAL_BYTES = 8
_CHECK = Struct(">Q")
_HEAD = Struct(">IQQdd")
_NAMES_AT = SEAL_BYTES + _HEAD.size
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


class Unpacked(NamedTuple):
    """What the bytes of the shared level say; the value is not decoded yet. Ages and times to live are in seconds."""

    stamp: Stamp
    age_s: float
    ttl_s: float
    tags: list[str]
    encoded: bytes


def pack(
    key: str, stamp: Stamp, age_s: float, ttl_s: float, tags: tuple[str, ...], encoded: bytes, seal: bytes
) -> bytes:
    """An entry as bytes: a seal over all the rest, numbers, the names, the value as its codec wrote it.

    The age is kept by the wall clock, the only one that processes share; `unpack` lets a clock that jumped lengthen a
    life by one more TTL at most. That no stale value is served never rests on it.
    """
    names = orjson.dumps([key, stamp.history, tags])
    head = _HEAD.pack(len(names), stamp.sequence, stamp.mark_ns, time.time() - age_s, ttl_s)
    body = head + names + encoded
    return _sealed(body, seal) + body


def _sealed(body: bytes | memoryview, seal: bytes) -> bytes:
    """Without a key only a check of what lies there; with one nobody else can write it."""
    return blake2b(body, digest_size=SEAL_BYTES, key=seal).digest() if seal else _CHECK.pack(crc32(body))


def unpack(key: str, data: bytes, seal: bytes) -> Unpacked:
    """The entry in bytes of the shared level.

    Raises ValueError, TypeError or struct.error when they are not one for this key, sealed by us.
    """
    if _sealed(memoryview(data)[SEAL_BYTES:], seal) != data[:SEAL_BYTES]:
        raise ValueError("the seal does not fit")
    length, sequence, mark_ns, loaded, ttl_s = _HEAD.unpack_from(data, SEAL_BYTES)
    end = _NAMES_AT + length
    own, history, tags = orjson.loads(data[_NAMES_AT:end])
    if own != key or type(tags) is not list or ttl_s != ttl_s or loaded != loaded:
        raise ValueError("not an entry of this key")
    "".join(tags)  # a TypeError where one of them is no text
    age_s = time.time() - loaded
    return Unpacked(Stamp(history, sequence, mark_ns), age_s if age_s > 0.0 else 0.0, ttl_s, tags, data[end:])
