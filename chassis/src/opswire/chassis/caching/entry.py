"""An entry, in memory and as bytes of the shared level."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import orjson
from opswire.chassis.caching.counts import Counts
from opswire.chassis.caching.stamp import Stamp

ValueT = TypeVar("ValueT")
FORMAT = "2"
"""Part of every key of the shared level: another layout of the bytes is another key, never a misread one."""
SEAL_BYTES = 8
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
    encoded: bytes
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


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the bytes of the shared level say; the value is not decoded yet. Ages and times to live are in seconds."""

    stamp: Stamp
    age_s: float
    ttl_s: float
    tags: tuple[str, ...]
    encoded: bytes


def pack(
    key: str, stamp: Stamp, age_s: float, ttl_s: float, tags: tuple[str, ...], encoded: bytes, seal: bytes
) -> bytes:
    """An entry as bytes: a seal over all of it, a line of JSON, the value as its codec wrote it.

    The age is kept by the wall clock, the only one that processes share; `unpack` lets a clock that jumped lengthen a
    life by one more TTL at most. That no stale value is served never rests on it.
    """
    head = orjson.dumps([key, *stamp, time.time() - age_s, ttl_s, tags])
    body = head + b"\n" + encoded
    return blake2b(body, digest_size=SEAL_BYTES, key=seal).digest() + body


def unpack(key: str, data: bytes, seal: bytes) -> Unpacked:
    """The entry in bytes of the shared level. Raises ValueError when they are not one for this key, sealed by us."""
    body = data[SEAL_BYTES:]
    if blake2b(body, digest_size=SEAL_BYTES, key=seal).digest() != data[:SEAL_BYTES]:
        raise ValueError("the seal does not fit")
    head, _, encoded = body.partition(b"\n")
    fields: Any = orjson.loads(head)
    if not isinstance(fields, list) or len(fields) != 7:
        raise ValueError("not an entry")
    own, history, sequence, mark_ns, loaded, ttl_s, tags = fields
    if own != key or not isinstance(history, str) or not isinstance(tags, list):
        raise ValueError("not an entry of this key")
    numbers = isinstance(loaded, float) and isinstance(ttl_s, float) and type(sequence) is type(mark_ns) is int
    if not numbers or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("not an entry of this key")
    age_s = max(0.0, time.time() - loaded)
    return Unpacked(Stamp(history, sequence, mark_ns), age_s, ttl_s, tuple(tags), encoded)
