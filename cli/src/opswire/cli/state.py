"""The state directory: which files lie where, and `run.json`, which says what runs.

`run.json` is written by the supervisor alone, whole and readable by its owner only (it holds the HTTP token); everyone
else reads it. The lock file, held for the supervisor's lifetime, is what makes a second `up` impossible.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from opswire.cli.broker_seed import remember
from opswire.cli.errors import CommandError, NotRunningError
from opswire.cli.processes import is_same

ADVICE_UP = "opswire up"


@dataclass(slots=True)
class ChildRecord:
    """One process as `run.json` knows it. `started` tells it from a later process with the same id."""

    name: str
    pid: int = 0
    started: str | None = None
    launched_ns: int = 0
    restarts: int = 0
    ready: bool = False
    ports: dict[str, int] = field(default_factory=dict)
    ready_url: str | None = None
    log: str = ""


@dataclass(slots=True)
class RunRecord:
    """What runs. `phase` is starting, ready or stopping; `urls` holds nats, nats_monitor, valkey and the services.

    `lab` says that the lab belongs to this run, `loopback` that the executor may contact hosts on this machine,
    `seed_file` where the key lies that the broker asks its owner for; empty where it lets everybody in.
    """

    pid: int
    started: str | None
    phase: str
    up_ns: int
    urls: dict[str, str] = field(default_factory=dict)
    token: str = ""
    trace_store: str = ""
    lab: bool = False
    loopback: bool = False
    seed_file: str = ""
    children: list[ChildRecord] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote it still runs."""
        return is_same(self.pid, self.started)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `asdict` gave."""
        children = [ChildRecord(**child) for child in value.pop("children", [])]
        return cls(**value, children=children)


class StateDir:
    """Paths in the state directory and the few files that the command line keeps there."""

    def __init__(self, path: Path) -> None:
        """Nothing is created yet."""
        self.path = path.absolute()
        self.run_file = self.path / "run.json"
        self.events_file = self.path / "events.jsonl"
        self.logs = self.path / "logs"
        self.trace_store = self.path / "traces.db"
        self.classifier = self.path / "classifier"

    def prepare(self) -> None:
        """Create the directory, open to its owner only: it holds keys and tokens."""
        with _usable(self.path, may_lack=False):
            for folder in (*reversed(self.path.parents), self.path):
                if not folder.exists():
                    folder.mkdir(mode=0o700)
            self.path.chmod(0o700)
            self.logs.mkdir(exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")

    @property
    def broker_keys(self) -> Path:
        """Where keys and accounts of a broker lie that asks for keys."""
        return self.path / "broker"

    def seed(self, role: str) -> Path:
        """The key of a role at such a broker."""
        return self.broker_keys / f"{role}.seed"

    def log(self, name: str) -> Path:
        """The log file of a child."""
        return self.logs / f"{name}.jsonl"

    def token(self) -> str:
        """The bearer token of the services' HTTP interfaces, made at the first call."""
        path = self.path / "token"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text().strip()

    def write_run(self, record: RunRecord) -> None:
        """Replace `run.json` as a whole."""
        write_private(self.run_file, json.dumps(asdict(record), indent=1))

    def read_run(self) -> RunRecord | None:
        """What `run.json` says, alive or not; None when there is none."""
        try:
            with _usable(self.path):
                record = RunRecord.from_json(json.loads(self.run_file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return None  # cut short by a full disk or a power cut: what it said is lost, and `up` writes it anew
        if record.seed_file:
            remember(record.urls.get("nats", ""), Path(record.seed_file))
        return record

    def running(self) -> RunRecord:
        """What runs here. Raises NotRunningError when nothing does."""
        record = self.read_run()
        if record is None or not record.alive:
            raise NotRunningError(f"Opswire does not run in {self.path}", ADVICE_UP)
        return record

    def ports(self) -> dict[str, int]:
        """The ports of the last run, so that the next one can have the same."""
        path = self.path / "ports.json"
        if not path.exists():
            return {}
        found: dict[str, int] = json.loads(path.read_text())
        return found

    def write_ports(self, ports: dict[str, int]) -> None:
        """Remember the ports of this run."""
        write_private(self.path / "ports.json", json.dumps(ports))

    def lab_imported(self) -> str | None:
        """The digest of the lab's inventory that was imported last; None when none was."""
        path = self.path / "lab-imported"
        return path.read_text() if path.exists() else None

    def write_lab_imported(self, digest: str) -> None:
        """Remember what was imported."""
        write_private(self.path / "lab-imported", digest)

    def lock(self) -> int | None:
        """Take the supervisor's lock: an open descriptor, or None when another supervisor holds it."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


@contextlib.contextmanager
def _usable(path: Path, may_lack: bool = True) -> Iterator[None]:
    """Errors of the state directory as errors of the command; with `may_lack` not that something is not there yet."""
    try:
        yield
    except OSError as error:
        if may_lack and isinstance(error, FileNotFoundError):
            raise
        advice = "another --state-dir, or make this one yours to write"
        raise CommandError(f"the state directory {path} cannot be used: {error.strerror}", advice) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step: a reader sees the old or the new, never a half."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)


def broker_url(state: StateDir) -> str:
    """The broker to talk to: `OPSWIRE_NATS_URL`, or the one that `up` started here. Raises NotRunningError."""
    return os.environ.get("OPSWIRE_NATS_URL") or state.running().urls["nats"]
