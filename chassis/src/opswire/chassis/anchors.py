"""Anchors: the head of a hash chain, written where the broker's administrator cannot reach it.

Whoever can write the broker's disk can recompute a whole chain; the heads that were noted elsewhere show it. An anchor
covers everything before it, so the oldest files may go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from opswire.chassis.high_water import append_durably

ANCHORS_FILE = "anchors.jsonl"
FILE_BYTES_MAX = 1_048_576
FILES_MAX = 32


@dataclass(frozen=True, slots=True)
class Anchor:
    """The chain's head at a moment: the record that holds it, how many entries there are, the last one's hash.

    `covered` is how far each stream is recorded in it.
    """

    sequence: int
    entries: int
    head: str
    covered: dict[str, int]
    at_ns: int


class AnchorWriter(Protocol):
    """A place outside the broker that keeps anchors: a file, an object store with a lock on deletion, syslog."""

    def write(self, anchor: Anchor) -> None:
        """Keep one anchor, durably when this returns. May block; called off the event loop. Raises OSError."""


class FileAnchors:
    """Anchors as JSON lines in `<directory>/anchors.jsonl`: added to, never rewritten, a new file at every megabyte."""

    def __init__(self, directory: Path, file_bytes_max: int = FILE_BYTES_MAX, files_max: int = FILES_MAX) -> None:
        self._directory = directory
        self._path = directory / ANCHORS_FILE
        self._file_bytes_max = file_bytes_max
        self._files_max = files_max

    def write(self, anchor: Anchor) -> None:
        """Add one line, on disk when this returns. Raises OSError."""
        if self._path.exists() and self._path.stat().st_size >= self._file_bytes_max:
            self._rotate(anchor.at_ns)
        append_durably(self._path, json.dumps(asdict(anchor), separators=(",", ":")))

    def _rotate(self, at_ns: int) -> None:
        self._path.rename(self._directory / f"anchors-{at_ns:020d}.jsonl")
        older = sorted(self._directory.glob("anchors-*.jsonl"))
        for path in older[: max(0, len(older) - self._files_max)]:
            path.unlink()


def read_anchors(directory: Path) -> Iterator[Anchor | str]:
    """The anchors, oldest first; a line that cannot be read comes as a sentence that says where. Raises OSError.

    A last line without its end is what a crash leaves, and no fault.
    """
    for path in (*sorted(directory.glob("anchors-*.jsonl")), directory / ANCHORS_FILE):
        if not path.exists():
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield Anchor(**json.loads(line))
                except (ValueError, TypeError):
                    if line.endswith("\n"):
                        yield f"{path.name}:{number} cannot be read"
