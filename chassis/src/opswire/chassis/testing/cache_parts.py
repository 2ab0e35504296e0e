"""What checkers of the cache protocol share: a value that is its own version, and the mutant that all must catch."""

from __future__ import annotations

from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.entry import Entry
from opswire.chassis.caching.stamp import Stamp


class NumberCodec:
    """Numbers as digits."""

    def encode(self, value: int) -> bytes:
        """Its digits."""
        return str(value).encode()

    def decode(self, data: bytes) -> int:
        """The number. Raises ValueError for other bytes."""
        return int(data)


class StampAfterLoad(Cache[int]):
    """Breaks one rule: an entry is stamped with what was applied when its load ended, not when it began."""

    def _entry_of(
        self,
        key: str,
        value: int,
        tags: list[str],
        stamp: Stamp,  # noqa: ARG002  the mutation
        begun_s: float,
        ttl_s: float | None,
    ) -> Entry[int]:
        return super()._entry_of(key, value, tags, self._log.stamp, begun_s, ttl_s)
