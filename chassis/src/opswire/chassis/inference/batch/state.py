"""What a batch remembers across a kill: which parts were handed over, and every result, on disk before it counts."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.batch.items import ATTEMPTS_MAX, BatchResult, Failure
from opswire.chassis.inference.call import Usage

VERSION = 1
_FINAL = frozenset({Failure.REFUSED, Failure.CANCELLED})
_SYNC_EVERY_RESULTS = 20


class BatchStateError(OpswireError):
    """The state file cannot be used for this batch."""

    code = "batch_state_unusable"


@dataclass(slots=True)
class Part:
    """Items that are handed over together under one label, which finds them again after a kill."""

    label: str
    ids: list[str]
    since_ns: int
    is_tried: bool = False
    """Set on disk before the first hand-over: from then on it may exist without our knowing its id."""
    batch_id: str | None = None
    is_collected: bool = False


class BatchState:
    """A state file and, beside it, the results as lines. One process at a time; open it as a context."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._results_path = path.with_name(f"{path.name}.results.jsonl")
        self._fingerprint = fingerprint
        self._by_label: dict[str, dict[str, BatchResult]] = {}
        self._unsynced = 0
        self.round = 0
        self.parts: list[Part] = []

    def __enter__(self) -> Self:
        """Lock and read. Raises BatchStateError where another process has it or it belongs to another batch."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
        except BlockingIOError as error:
            os.close(self._lock)
            raise BatchStateError(f"another process runs the batch of {self._path}") from error
        except BatchStateError:
            os.close(self._lock)
            raise
        descriptor = os.open(self._results_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._results: BinaryIO = os.fdopen(descriptor, "ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and unlock."""
        self.sync()
        self._results.close()
        os.close(self._lock)

    def begin_round(self, groups: Iterable[Sequence[str]]) -> None:
        """Divide what is open into parts, on disk before anything is handed over."""
        self.round += 1
        self.parts = [Part(uuid.uuid4().hex, list(ids), time.time_ns()) for ids in groups]
        self.write()

    def add(self, label: str, result: BatchResult) -> None:
        """Keep a result of a part. On disk after at most 20 more, or `sync`."""
        self._by_label.setdefault(label, {})[result.custom_id] = result
        self._results.write(orjson.dumps({"label": label, **asdict(result)}) + b"\n")
        self._unsynced += 1
        if self._unsynced >= _SYNC_EVERY_RESULTS:
            self.sync()

    def sync(self) -> None:
        """Bring every result to the disk."""
        self._results.flush()
        os.fsync(self._results.fileno())
        self._unsynced = 0

    def write(self) -> None:
        """Replace the state file as a whole, durable when this returns."""
        document = {"version": VERSION, "fingerprint": self._fingerprint, "round": self.round}
        content = orjson.dumps(document | {"parts": [asdict(part) for part in self.parts]})
        beside = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def of_part(self, part: Part) -> dict[str, BatchResult]:
        """What is known of a part's items."""
        return self._by_label.get(part.label, {})

    def results(self) -> dict[str, BatchResult]:
        """The newest result of each item, with how often it was handed over."""
        newest: dict[str, BatchResult] = {}
        for results in self._by_label.values():
            for custom_id, result in results.items():
                before = newest.get(custom_id)
                newest[custom_id] = replace(result, attempts=1 if before is None else before.attempts + 1)
        return newest

    def _read(self) -> None:
        if self._path.exists():
            try:
                found = orjson.loads(self._path.read_bytes())
                version, fingerprint = found["version"], found["fingerprint"]
            except (ValueError, LookupError, TypeError) as error:
                raise BatchStateError(f"{self._path} is no state of a batch: name another file") from error
            if version != VERSION or fingerprint != self._fingerprint:
                raise BatchStateError(
                    f"{self._path} belongs to another batch (other items, server or model): name another file, or "
                    f"remove it and {self._results_path.name} to begin anew"
                )
            self.round = found["round"]
            self.parts = [Part(**part) for part in found["parts"]]
        elif self._results_path.exists():
            raise BatchStateError(f"{self._results_path} is there without {self._path.name}: remove it or name another")
        if self._results_path.exists():
            self._read_results()

    def _read_results(self) -> None:
        content = self._results_path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            # Cut by a kill: that result was never counted and is collected again.
            os.truncate(self._results_path, len(whole))
        for line in whole.splitlines():
            found: dict[str, Any] = orjson.loads(line)
            label, usage = found.pop("label"), Usage(**found.pop("usage"))
            failure = found.pop("failure")
            result = BatchResult(**found, usage=usage, failure=Failure(failure) if failure else None)
            self._by_label.setdefault(label, {})[result.custom_id] = result


def is_settled(result: BatchResult | None) -> bool:
    """Whether an item is answered, or handing it over once more cannot help or is not allowed."""
    if result is None:
        return False
    return result.is_answered or result.failure in _FINAL or result.attempts >= ATTEMPTS_MAX
