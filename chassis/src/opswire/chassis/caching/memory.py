"""The memory level: entries by key with least-recently-used eviction, their bytes, and which keys carry which tag.

Whatever lies here is valid: what an invalidation names is dropped while it is applied, and nothing is put here that
the log already refuses. So a hit need not look at the entry's tags.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Generic, TypeVar

from cachebox import LRUCache
from opswire.chassis.caching.entry import Entry

ValueT = TypeVar("ValueT")


class Memory(Generic[ValueT]):
    """Bounded by entries and by bytes. Not thread-safe."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self.entries: LRUCache[str, Entry[ValueT]] = LRUCache(entries_max)
        self.bytes = 0
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._keys_by_tag: defaultdict[str, set[str]] = defaultdict(set)

    def put(self, key: str, entry: Entry[ValueT]) -> None:
        """Keep an entry, in place of what has been under its key; the least recently used make room."""
        entries = self.entries
        if len(entries) >= self._entries_max or self.bytes + entry.bytes > self._bytes_max:
            self.pop(key)
            if entry.bytes > self._bytes_max:
                return
            self._make_room(entry.bytes)
        old = entries.insert(key, entry)
        if old is not None:
            self._forget(key, old)
        self.bytes += entry.bytes
        index = self._keys_by_tag
        for tag in entry.tags:
            index[tag].add(key)

    def _make_room(self, wanted_bytes: int) -> None:
        while len(self.entries) >= self._entries_max or self.bytes + wanted_bytes > self._bytes_max:
            evicted, old = self.entries.popitem()
            self._forget(evicted, old)
            old.family.evictions += 1

    def pop(self, key: str) -> None:
        """Forget one key, if it is there."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._forget(key, entry)

    def drop(self, tags: list[str]) -> None:
        """Forget what carries any of the tags."""
        for tag in tags:
            for key in self._keys_by_tag.pop(tag, ()):
                entry = self.entries.pop(key, None)
                if entry is not None:
                    self._forget(key, entry)
                    entry.family.dropped += 1

    def drop_all(self) -> None:
        """Forget everything."""
        for _, entry in self.entries.items():
            entry.family.dropped += 1
            entry.freed()
        self.entries.clear()
        self._keys_by_tag.clear()
        self.bytes = 0

    def keys_of(self, tag: str) -> list[str]:
        """The keys that carry a tag; all for the empty one."""
        return sorted(self._keys_by_tag.get(tag, ())) if tag else list(self.entries.keys())

    def peek(self, key: str) -> Entry[ValueT] | None:
        """What lies under a key, without using it."""
        return self.entries.peek(key, None)

    def _forget(self, key: str, entry: Entry[ValueT]) -> None:
        entry.freed()
        self.bytes -= entry.bytes
        for tag in entry.tags:
            keys = self._keys_by_tag.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys_by_tag[tag]
