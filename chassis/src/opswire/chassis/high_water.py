"""How far the broker had acknowledged what must not be lost, kept outside the broker.

A broker that restarts from an older copy of its disk, or that dropped messages after a flipped bit, says nothing: a
claim could be given twice. So the last sequence that was acknowledged lies in a file, on disk before a tool changes
anything, and nothing is changed while a stream is behind it or holds another message there. A person may accept the
loss (`opswire audit accept-loss`).

Not guaranteed: the loss of messages after the mark, and of this file together with the stream.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from opswire.chassis.errors import HumanNeededError

HIGH_WATER_FILE = "high_water.json"
ACCEPTED_FILE = "losses_accepted.jsonl"
ADVICE = (
    "nothing is changed until a person has looked; see `opswire audit verify`, and to go on without what is gone "
    "`opswire audit accept-loss`"
)
FORGETS_AFTER_NS = 80 * 86_400 * 1_000_000_000
"""No stream with a mark forgets a message sooner: one that is gone and younger than this was lost or purged."""


class StreamBehindError(HumanNeededError):
    """A stream has lost what it had acknowledged. Nothing is changed until a person has looked."""

    code = "stream_behind"


@dataclass(frozen=True, slots=True)
class Mark:
    """One message of a stream: its sequence, and when the broker stored it (0 where that is not known)."""

    sequence: int
    stored_ns: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as a person accepted it: what was known of a stream, and where the stream stood then.

    `agreed` is the last sequence at which the stream still held what had been recorded of it.
    """

    stream: str
    lost: Mark
    now: Mark
    agreed: int
    person: str
    reason: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream stands: its last message, and when the one at the mark was stored (None: it is not there).

    `mark` is the one that stood when the stream was asked; None takes the one that stands now. A mark that rises while
    the answer is on its way says nothing about it.
    """

    last: Mark
    first_sequence: int = 1
    at_mark_ns: int | None = None
    mark: Mark | None = None


class HighWater:
    """The marks of some streams, in `<directory>/high_water.json`. Safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        """Nothing is read or written yet."""
        self._path = directory / HIGH_WATER_FILE
        self._accepted_path = directory / ACCEPTED_FILE
        self._marks: dict[str, Mark] = {}
        self._kept: dict[str, Mark] = {}
        self._adopted_ns: dict[str, int] = {}
        self._adopts_after_ns = 0
        self._lock = threading.RLock()
        self._unreadable = ""
        self.on_loss_accepted: list[Callable[[Loss], None]] = []

    def load(self) -> None:
        """Read the file; none is a first start. One that cannot be read makes every check fail until it is mended."""
        with self._lock:
            self._unreadable = ""
            # Without a file that says which acceptances were used, only those made from now on count.
            self._adopts_after_ns = time.time_ns()
            try:
                found = json.loads(self._path.read_bytes())
                marks = {str(name): Mark(int(s), int(ns)) for name, (s, ns) in found["marks"].items()}
                self._adopted_ns = {str(name): int(ns) for name, ns in found["adopted_ns"].items()}
            except FileNotFoundError:
                return
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._unreadable = f"{self._path.name} cannot be read ({type(error).__name__})"
                with contextlib.suppress(OSError):
                    self._adopts_after_ns = self._path.stat().st_mtime_ns
                return
            self._adopts_after_ns = 0
            self._kept = dict(marks)
            for stream, mark in marks.items():
                self.saw(stream, mark.sequence, mark.stored_ns)

    def mark(self, stream: str) -> Mark | None:
        """The highest message known of a stream, or None."""
        return self._marks.get(stream)

    @property
    def streams(self) -> list[str]:
        """The streams that have a mark."""
        return list(self._marks)

    def saw(self, stream: str, sequence: int, stored_ns: int = 0) -> None:
        """The broker acknowledged or delivered this message. In memory alone: `keep` makes it last."""
        with self._lock:
            known = self._marks.get(stream)
            newer = known is None or sequence > known.sequence
            if newer or (known is not None and sequence == known.sequence and not known.stored_ns):
                self._marks[stream] = Mark(sequence, stored_ns)

    def keep(self) -> None:
        """Write the marks to disk, durably and all or nothing. Blocks for a disk write. Raises OSError."""
        with self._lock:
            if self._kept == self._marks or self._unreadable:
                return
            marks = dict(self._marks)
            body = {"marks": {name: [mark.sequence, mark.stored_ns] for name, mark in marks.items()}}
            write_durably(self._path, json.dumps(body | {"adopted_ns": self._adopted_ns}).encode())
            self._kept = marks

    def check(self, stream: str, place: Place) -> None:
        """Raises StreamBehindError when the stream lacks what it had acknowledged, and no person has accepted that."""
        sentence = self.missing(stream, place)
        if sentence and not self._adopt(stream, place):
            self.keep()
            raise StreamBehindError(f"{sentence}: {ADVICE}")

    def has_gone_back(self, stream: str, place: Place) -> bool:
        """Whether a loss was adopted since the stream was asked: the answer is about a mark that is none any more."""
        mark = self._marks.get(stream)
        return (
            place.mark is not None and mark != place.mark and mark is not None and mark.sequence <= place.mark.sequence
        )

    def missing(self, stream: str, place: Place) -> str:
        """What is wrong, as the beginning of a sentence; empty when all is well."""
        if self._unreadable:
            return self._unreadable
        mark = place.mark or self._marks.get(stream)
        if mark is None or (mark.sequence < place.first_sequence and _may_have_expired(mark)):
            return ""
        if place.last.sequence < mark.sequence:
            return f"{stream} ends at {place.last.sequence} and had acknowledged {mark.sequence}"
        if mark.stored_ns and place.at_mark_ns != mark.stored_ns:
            return f"{stream} holds another message at {mark.sequence} than it had acknowledged"
        return ""

    def _adopt(self, stream: str, place: Place) -> bool:
        """Go back to where a person accepted the stream to stand, once for each acceptance."""
        mark = self._marks.get(stream, Mark(0))
        after_ns = self._adopted_ns.get(stream, self._adopts_after_ns)
        for loss in self.losses():
            fits = loss.stream == stream and loss.lost.sequence >= mark.sequence
            if loss.at_ns <= after_ns or not fits or loss.now.sequence > place.last.sequence:
                continue
            with self._lock:
                self._marks[stream] = loss.now
                self._adopted_ns[stream], self._unreadable = loss.at_ns, ""
                self.keep()
            for callback in self.on_loss_accepted:
                callback(loss)
            return True
        return False

    def losses(self) -> list[Loss]:
        """What persons accepted here, oldest first. Raises OSError."""
        return read_losses(self._accepted_path)

    def accept(self, stream: str, now: Mark, person: str, reason: str, agreed: int | None = None) -> Loss:
        """Write down that a person accepts where the stream stands. Whoever keeps these marks goes on from there."""
        lost = self._marks.get(stream, Mark(0))
        loss = Loss(stream, lost, now, now.sequence if agreed is None else agreed, person, reason, time.time_ns())
        append_durably(self._accepted_path, json.dumps(asdict(loss)))
        return loss


def _may_have_expired(mark: Mark) -> bool:
    return not mark.stored_ns or time.time_ns() - mark.stored_ns > FORGETS_AFTER_NS


def read_losses(path: Path) -> list[Loss]:
    """The accepted losses, oldest first; a line cut short by a crash is none. Raises OSError."""
    found: list[Loss] = []
    for line in _lines(path):
        try:
            value: dict[str, Any] = json.loads(line)
            value |= {"lost": Mark(**value["lost"]), "now": Mark(**value["now"])}
            found.append(Loss(**value))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def write_durably(path: Path, body: bytes) -> None:
    """Replace a file as a whole; on disk, its name too, when this returns. Its owner alone can read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def append_durably(path: Path, line: str) -> None:
    """Add one line to a file, on disk when this returns; what a crash left of an earlier line is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        torn = b""
        if size:
            file.seek(size - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        file.write(torn + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
