"""`latency`: the ledger over many requests, from the rows of finished requests or from files of traces."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from opswire.cli.errors import CommandError, NotFoundError, NotRunningError, UsageError
from opswire.cli.state import StateDir
from opswire.ledger.many.files import FileError, sample_of_file
from opswire.ledger.many.sample import Sample, on_route, read_sample
from opswire.ledger.many.windows import TimeRange, WindowError, parse_window
from opswire.ledger.rows.database import Database, RowStoreError
from opswire.ledger.rows.following import Follower, Progress
from opswire.ledger.rows.store import RowStore
from opswire.ledger.store import StoreError

LEDGER_URL = "OPSWIRE_LEDGER_URL"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a table is about: the requests, and where they are from in words and as a range (None of a file)."""

    sample: Sample
    title: str
    window: TimeRange | None


def local_zone() -> tzinfo:
    """The zone that people at this terminal mean by 12:00: that of `TZ` or of the machine."""
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None  # astimezone gives one
    return zone


def ledger_url(state: StateDir) -> str:
    """Where the rows are: `OPSWIRE_LEDGER_URL`, or a SQLite file in the state directory."""
    return os.environ.get(LEDGER_URL) or f"{_SQLITE}{state.path / 'ledger.sqlite3'}"


def open_rows(url: str, shared: bool = False) -> RowStore:
    """The row store behind `sqlite:///PATH` or `postgresql://...`. Raises CommandError."""
    try:
        if url.startswith(_SQLITE):
            return RowStore(Database.sqlite(Path(url.removeprefix(_SQLITE)), shared))
        if url.startswith(("postgresql://", "postgres://")):
            return RowStore(_postgresql(url))
    except RowStoreError as error:
        raise CommandError(str(error), f"another {LEDGER_URL}, or leave it unset for a file") from error
    raise UsageError(f"{LEDGER_URL} is neither sqlite:///PATH nor postgresql://...", "see opswire latency --help")


def _postgresql(url: str) -> Database:
    import psycopg

    try:
        connection = psycopg.connect(url, connect_timeout=5)
    except psycopg.Error as error:
        # The error's own text may hold the whole address, with its password.
        raise RowStoreError(f"the PostgreSQL of {LEDGER_URL} does not answer: {type(error).__name__}") from error
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # both queries of a window see the same rows
    name = f"postgresql at {connection.info.host}:{connection.info.port}"
    return Database(connection, name, (psycopg.Error,), "%s", lambda: connection.cursor(name="rows"))


def trace_store(state: StateDir) -> Path:
    """The span store: `OPSWIRE_TRACE_STORE`, or the one that `up` writes."""
    given = os.environ.get("OPSWIRE_TRACE_STORE")
    return Path(given) if given else state.trace_store


@contextmanager
def caught_up(state: StateDir, tell: Callable[[Progress], None] = lambda _: None) -> Iterator[RowStore]:
    """The row store, with everything booked that has finished. Raises CommandError.

    Without a span store, as after retention or on another machine, the rows that are there answer.
    """
    rows = open_rows(ledger_url(state))
    try:
        try:
            Follower(trace_store(state), rows).catch_up(tell)
        except StoreError as error:
            if rows.extent().requests == 0:
                raise NotRunningError(str(error), "opswire up, then ask something") from error
        yield rows
    except RowStoreError as error:
        raise CommandError(str(error), "repeat the command when it is back") from error
    finally:
        rows.database.close()


def look(rows: RowStore, text: str, route: str | None, now_ns: int | None = None) -> Looked:
    """The requests of a window of time, or of a file of traces. Raises UsageError for what is neither."""
    path = Path(text)
    if path.is_file():
        return look_at_file(path, route)
    return look_at_window(rows, text, route, time.time_ns() if now_ns is None else now_ns)


def look_at_window(rows: RowStore, text: str, route: str | None, now_ns: int) -> Looked:
    """The requests that finished in a window of time. Raises UsageError for what is none."""
    try:
        window = parse_window(text, now_ns, local_zone())
    except WindowError as error:
        raise UsageError(f"{error}; or name a file of traces that is there") from error
    return Looked(read_sample(rows, window.start_ns, window.end_ns, on_route(route)), title_of(window), window)


def look_at_file(path: Path, route: str | None) -> Looked:
    """The requests or traces of a file. Raises CommandError for a file that cannot be read as one."""
    try:
        return Looked(sample_of_file(path, on_route(route)), str(path), None)
    except FileError as error:
        raise CommandError(str(error), "OTLP, Jaeger or Tempo JSON, OTLP protobuf, or a span or row store") from error


def title_of(window: TimeRange) -> str:
    """A window in the terminal's own time, with the zone: nobody should have to guess what 12:00 was."""
    start, end = (datetime.fromtimestamp(ns / 1e9, local_zone()) for ns in (window.start_ns, window.end_ns))
    second = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} - {second} {end:%Z}"


def refuse_empty(rows: RowStore, looked: Looked) -> None:
    """Raise NotFoundError, saying where there are requests, when there are none."""
    if len(looked.sample):
        return
    extent = rows.extent()
    advice = "opswire up, then ask something"
    if extent.first_ns is not None and extent.last_ns is not None:
        kept = title_of(TimeRange(extent.first_ns, extent.last_ns))
        advice = f"another window or route: {extent.requests:,} requests are known, finished {kept}"
    unfinished = f"; {looked.sample.unfinished:,} have not finished yet" if looked.sample.unfinished else ""
    raise NotFoundError(f"no request finished in {looked.title}{unfinished}", advice)


def window_as_json(looked: Looked) -> dict[str, Any]:
    """What a table is about, for programs."""
    found: dict[str, Any] = {"title": looked.title}
    if looked.window is not None:
        found |= {"start_ns": looked.window.start_ns, "end_ns": looked.window.end_ns}
    return found
