"""What tests and checkers of caches share: codecs, of which one's values are versions, and a mutant to be caught."""

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


class TextCodec:
    """Texts as they are."""

    def encode(self, value: str) -> bytes:
        """Its UTF-8."""
        return value.encode()

    def decode(self, data: bytes) -> str:
        """The text. Raises UnicodeDecodeError, which is a ValueError."""
        return data.decode()


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
