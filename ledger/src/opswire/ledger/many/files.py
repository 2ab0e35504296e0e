"""Requests from a file of traces: a span store, a row store, or what `readers` knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from opswire.ledger.account import account, account_trace
from opswire.ledger.many.sample import REQUESTS_MAX, Sample, read_sample, sample_of
from opswire.ledger.readers.errors import InputError
from opswire.ledger.readers.files import read_file
from opswire.ledger.readers.traces import Traces
from opswire.ledger.rows.database import Database, RowStoreError
from opswire.ledger.rows.following import Follower
from opswire.ledger.rows.model import RequestRow, row_of
from opswire.ledger.rows.store import RowStore
from opswire.ledger.store import StoreError

_SQLITE_HEADER = b"SQLite format 3\0"
_FOR_EVER_NS = 1 << 62


class FileError(Exception):
    """The file holds no requests that can be read. The message says which and why."""


def sample_of_file(path: Path, wanted: Callable[[RequestRow], bool] | None = None) -> Sample:
    """Every request of a file, of which the first 100,000; nothing is written beside it. Raises FileError."""
    try:
        with path.open("rb") as file:
            is_database = file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
        if is_database:
            return _of_database(path, wanted)
        return sample_of(_first(row for row in rows_of_traces(path) if wanted is None or wanted(row)))
    except (InputError, StoreError, RowStoreError) as error:
        raise FileError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise FileError(f"{path} cannot be read: {error}") from error


def rows_of_traces(path: Path) -> Iterator[RequestRow]:
    """The rows of a file of traces; a trace that is no request of ours has its trace id for a key."""
    for group in Traces().groups(read_file(path)):
        if group.request_key is None:
            request, segments = account_trace(group.trace_id, group.spans)
        else:
            request, segments = account(group.request_key, group.spans)
        yield row_of(request, segments, group.spans)


def _first(rows: Iterator[RequestRow]) -> Iterator[RequestRow]:
    for count, row in enumerate(rows):
        if count == REQUESTS_MAX:
            return
        yield row


def _of_database(path: Path, wanted: Callable[[RequestRow], bool] | None) -> Sample:
    read_only = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(read_only, uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "request_stage" in tables:
        rows = RowStore(Database(sqlite3.connect(read_only, uri=True), str(path), (sqlite3.Error,)))
    elif "span_batches" in tables:
        rows = RowStore(Database(sqlite3.connect(":memory:"), "in memory", (sqlite3.Error,)))
        # Nothing more comes into a file: all of it is quiet and over.
        Follower(path, rows, lambda: _FOR_EVER_NS).catch_up()
    else:
        raise FileError(f"{path} is a SQLite file with neither spans nor requests of the ledger")
    with closing(rows.database):
        return read_sample(rows, 0, _FOR_EVER_NS, wanted)
