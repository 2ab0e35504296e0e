"""What all processes of the cache checker see: the truth, what was acknowledged of it, and what was read.

One file mapped into each process: a table of 64-bit numbers, each written by one process only. So a reader knows what
was acknowledged before its read began without asking anybody.
"""

from __future__ import annotations

import mmap
from enum import IntEnum
from pathlib import Path

KEYS = 24
WRITERS = 2
HOLDERS = 3
CELLS_PER_HOLDER = 8


class Cell(IntEnum):
    """What a holder counts."""

    READS = 0
    STALE = 1
    MEMORY = 2
    SHARED = 3
    BYPASS = 4
    OTHER = 5
    CLOCK_S = 6
    """Written by the test: how far the holder's wall clock is off."""


class World:
    """The table."""

    def __init__(self, path: Path) -> None:
        size = 8 * (2 * KEYS + WRITERS + 1 + HOLDERS * CELLS_PER_HOLDER)
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self._cells = memoryview(self._map).cast("q")
        self.versions = self._cells[:KEYS]
        """The source of truth: the version of each key."""
        self.acknowledged = self._cells[KEYS : 2 * KEYS]
        """The newest version of each key whose invalidation was acknowledged."""
        self.writes = self._cells[2 * KEYS : 2 * KEYS + WRITERS]
        """Acknowledged invalidations by writer."""
        self._over = self._cells[2 * KEYS + WRITERS : 2 * KEYS + WRITERS + 1]
        self._counts = self._cells[2 * KEYS + WRITERS + 1 :]

    @property
    def is_over(self) -> bool:
        """Whether everybody is to end."""
        return bool(self._over[0])

    def end(self) -> None:
        """Let everybody end."""
        self._over[0] = 1

    def counts(self, holder: int) -> memoryview:
        """A holder's own cells, by `Cell`."""
        return self._counts[holder * CELLS_PER_HOLDER : (holder + 1) * CELLS_PER_HOLDER]

    def total(self, cell: Cell) -> int:
        """A count over all holders."""
        return sum(self.counts(holder)[cell] for holder in range(HOLDERS))

    @property
    def writes_total(self) -> int:
        """Acknowledged invalidations."""
        return sum(self.writes)
