"""The span store: one SQLite file that the services write to and the ledger reads, at the same time (WAL)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from opswire.ledger.model import Span, SpanLink

SCHEMA = """
CREATE TABLE IF NOT EXISTS span_batches(
    request_key TEXT, trace_id TEXT NOT NULL, service TEXT NOT NULL, clock_domain TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, spans TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS span_batches_request_key ON span_batches(request_key);
CREATE INDEX IF NOT EXISTS span_batches_trace_id ON span_batches(trace_id);
CREATE INDEX IF NOT EXISTS span_batches_start_ns ON span_batches(start_ns);
"""
"""The same text as the chassis' writer uses; a test compares them."""

_OF_REQUEST = """
SELECT * FROM span_batches WHERE request_key = :key
UNION ALL
SELECT * FROM span_batches WHERE request_key IS NULL
    AND trace_id IN (SELECT DISTINCT trace_id FROM span_batches WHERE request_key = :key)
"""
_OF_TRACE = "SELECT * FROM span_batches WHERE trace_id = ?"
_COUNT = "SELECT COALESCE(SUM(json_array_length(spans)), 0) FROM span_batches"
_RECENT = """
SELECT request_key, MIN(start_ns), MAX(end_ns), SUM(json_array_length(spans)), MAX(instr(spans, '"ERROR"') > 0)
FROM span_batches
WHERE request_key IS NOT NULL AND rowid > (SELECT MAX(rowid) FROM span_batches) - :rows
GROUP BY request_key ORDER BY MAX(end_ns) DESC, request_key LIMIT :limit
"""
_SINCE = """
SELECT rowid, request_key, start_ns, end_ns, trace_id FROM span_batches WHERE rowid > ? ORDER BY rowid LIMIT ?
"""
_TRACES_AT_ONCE = 400
RECENT_ROWS_MAX = 50_000
"""How many of the newest rows `recent` looks at: it answers in a fraction of a second on a store of any size."""
BUSY_TIMEOUT_S = 5.0
UNREADABLE = "opswire.ledger.unreadable"
"""Set on a span whose attributes or links are not what they should be; the span is kept, its times are good."""


class StoreError(Exception):
    """The span store cannot be read. The message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class RecentRequest:
    """A request that left spans lately. Times are of its spans, not of acceptance and finish."""

    request_key: str
    first_start_ns: int
    last_end_ns: int
    spans: int
    failed: bool


Place = tuple[int, int, str]
"""How far the store was read: number, start and trace of the last row, to notice a store that began anew."""


@dataclass(frozen=True, slots=True)
class Touched:
    """The requests that a piece of the store belongs to, each with the latest end of its spans there.

    `behind` is how many rows follow the piece, `lost` how many were deleted before they were read.
    """

    last_end_ns: dict[str, int]
    place: Place | None
    batches: int
    behind: int
    lost: int


def create(path: Path) -> None:
    """Make the store, or leave it as it is. Raises sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA)


def insert(path: Path, spans: Iterable[Span]) -> None:
    """Add spans to a store, in one transaction: for importing traces and for tests. Raises sqlite3.Error."""
    together: dict[tuple[str | None, str, str, str], list[Span]] = {}
    for span in spans:
        key = (span.request_key, span.trace_id, span.service, span.clock_domain)
        together.setdefault(key, []).append(span)
    rows = [(*key, min(s.start_ns for s in group), max(s.end_ns for s in group), _written(group))
            for key, group in together.items()]  # fmt: skip
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        connection.executemany("INSERT INTO span_batches VALUES (?,?,?,?,?,?,?)", rows)


def forget_before(path: Path, start_ns: int) -> int:
    """Delete what began before, for a store that no service keeps short; how many rows went. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        return connection.execute("DELETE FROM span_batches WHERE start_ns < ?", (start_ns,)).rowcount


def read_request(path: Path, request_key: str, spans_max: int | None = None) -> list[Span]:
    """All spans of a request: those that carry its key, those of their traces without a key, and those linked.

    Empty when the store knows nothing of it; at most `spans_max`, those written first. Raises StoreError.
    """
    with _reading(path) as connection:
        rows = connection.execute(_OF_REQUEST, {"key": request_key})
        spans = sorted(islice((span for row in rows for span in _spans(row)), spans_max), key=_order)
        spans.extend(_linked(connection, spans))
    return spans


def _linked(connection: sqlite3.Connection, spans: Sequence[Span]) -> list[Span]:
    """The spans that these name and that are not among them."""
    links = [link for span in spans for link in span.links]
    if not links:
        return []
    known = {(span.trace_id, span.span_id) for span in spans}
    found: list[Span] = []
    for link in links:
        key = (link.trace_id, link.span_id)
        if key not in known:
            known.add(key)
            rows = connection.execute(_OF_TRACE, (link.trace_id,))
            found.extend(span for row in rows for span in _spans(row) if span.span_id == link.span_id)
    return found


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def read_requests(path: Path, request_keys: Sequence[str], spans_max: int) -> dict[str, list[Span]] | None:
    """The same for many requests at once, in a third of the time; None where together they have too many spans.

    Raises StoreError.
    """
    found: dict[str, list[Span]] = {}
    of_trace: dict[str, list[str]] = {}
    left = spans_max
    with _reading(path) as connection:
        query = f"SELECT * FROM span_batches WHERE request_key IN ({_marks(request_keys)})"  # noqa: S608  marks alone
        for row in connection.execute(query, request_keys):
            own = found.setdefault(row[0], [])
            before = len(own)
            own.extend(_spans(row))
            left -= len(own) - before
            if left < 0:
                return None
            keys = of_trace.setdefault(row[1], [])
            if row[0] not in keys:
                keys.append(row[0])
        traces = list(of_trace)
        for first in range(0, len(traces), _TRACES_AT_ONCE):
            some = traces[first : first + _TRACES_AT_ONCE]
            query = f"SELECT * FROM span_batches WHERE request_key IS NULL AND trace_id IN ({_marks(some)})"  # noqa: S608
            for row in connection.execute(query, some):
                for key in of_trace[row[1]]:
                    found[key].extend(_spans(row))
        for spans in found.values():
            spans.sort(key=_order)
            spans.extend(_linked(connection, spans))
    return found


def touched_since(path: Path, place: Place | None, limit: int) -> Touched:
    """What was written after `place`, `limit` rows at most; from the beginning where the store began anew.

    Rows without a request's key are passed over: they are read with the request whose trace they share. Raises
    StoreError.
    """
    with _reading(path) as connection:
        after = 0 if place is None else place[0]
        first, last = connection.execute("SELECT MIN(rowid), MAX(rowid) FROM span_batches").fetchone()
        if place is not None and _began_anew(connection, place, last or 0):
            after = 0
        rows = connection.execute(_SINCE, (after, limit)).fetchall()
    ends: dict[str, int] = {}
    for _, key, _, end_ns, _ in rows:
        if key is not None:
            ends[key] = max(end_ns, ends.get(key, end_ns))
    if not rows:
        return Touched({}, None, 0, 0, 0)
    rowid, _, start_ns, _, trace_id = rows[-1]
    lost = max(0, (first or 0) - after - 1) if after else 0
    return Touched(ends, (rowid, start_ns, trace_id), len(rows), (last or rowid) - rowid, lost)


def _began_anew(connection: sqlite3.Connection, place: Place, last: int) -> bool:
    """Whether the store is another one than was read: it is shorter, or holds another row where the reader stopped."""
    if last < place[0]:
        return True
    found = connection.execute("SELECT start_ns, trace_id FROM span_batches WHERE rowid = ?", (place[0],)).fetchone()
    return found is not None and tuple(found) != place[1:]


def count(path: Path) -> int:
    """How many spans the store holds. Raises StoreError."""
    with _reading(path) as connection:
        return int(connection.execute(_COUNT).fetchone()[0])


def recent(path: Path, limit: int = 20) -> list[RecentRequest]:
    """The requests that last left spans, newest first. Raises StoreError."""
    with _reading(path) as connection:
        rows = connection.execute(_RECENT, {"limit": limit, "rows": RECENT_ROWS_MAX}).fetchall()
    return [RecentRequest(key, start, end, count, bool(failed)) for key, start, end, count, failed in rows]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise StoreError(f"no span store at {path}: nothing was traced there yet, or OPSWIRE_TRACE_STORE differs")
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        ) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"the span store at {path} cannot be read: {error}") from error


def _written(spans: Iterable[Span]) -> str:
    return json.dumps(
        [
            (
                span.span_id,
                span.parent_id,
                span.name,
                span.kind,
                span.start_ns,
                span.end_ns,
                span.status,
                dict(span.attributes),
                [(link.trace_id, link.span_id) for link in span.links],
            )
            for span in spans
        ]
    )


def _order(span: Span) -> tuple[int, int, str]:
    return span.start_ns, span.end_ns, span.span_id


def _spans(row: tuple[str | None, str, str, str, int, int, str]) -> Iterator[Span]:
    """The spans of a row; what is no span is left out, it has no times to account for."""
    key, trace_id, service, clock_domain, _, _, text = row
    try:
        columns = json.loads(text)
    except ValueError:
        return
    for column in columns if isinstance(columns, list) else ():
        if isinstance(column, list) and len(column) == 9 and isinstance(column[4], int) and isinstance(column[5], int):
            yield _span(key, trace_id, service, clock_domain, column)


def _span(key: str | None, trace_id: str, service: str, clock_domain: str, column: list[Any]) -> Span:
    span_id, parent_id, name, kind, start_ns, end_ns, status, attributes, links = column
    return Span(
        trace_id=trace_id,
        span_id=str(span_id),
        parent_id=None if parent_id is None else str(parent_id),
        service=service,
        name=str(name),
        kind=str(kind),
        start_ns=start_ns,
        end_ns=end_ns,
        status=str(status),
        attributes=attributes if isinstance(attributes, dict) else {UNREADABLE: True},
        links=_links(links),
        clock_domain=clock_domain,
        request_key=key,
    )


def _links(value: object) -> tuple[SpanLink, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(SpanLink(str(pair[0]), str(pair[1])) for pair in value if isinstance(pair, list) and len(pair) == 2)
