"""The span store: one SQLite file that the services write to and the ledger reads, at the same time (WAL)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opswire.ledger.model import Span, SpanLink

SCHEMA = """
CREATE TABLE IF NOT EXISTS spans(
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, links TEXT NOT NULL, service TEXT NOT NULL,
    name TEXT NOT NULL, kind TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, status TEXT NOT NULL,
    attributes TEXT NOT NULL, clock_domain TEXT NOT NULL, request_key TEXT
);
CREATE INDEX IF NOT EXISTS spans_request_key ON spans(request_key);
CREATE INDEX IF NOT EXISTS spans_trace_id ON spans(trace_id);
CREATE INDEX IF NOT EXISTS spans_start_ns ON spans(start_ns);
"""
"""The same text as the chassis' writer uses; a test compares them."""

_COLUMNS = (
    "trace_id, span_id, parent_id, links, service, name, kind, start_ns, end_ns, status, attributes, clock_domain, "
    "request_key"
)
_OF_REQUEST = f"""
SELECT {_COLUMNS} FROM spans WHERE request_key = :key
UNION ALL
SELECT {_COLUMNS} FROM spans WHERE request_key IS NULL
    AND trace_id IN (SELECT DISTINCT trace_id FROM spans WHERE request_key = :key)
ORDER BY start_ns, end_ns, span_id
"""  # noqa: S608  the columns are the constant above
_LINKED = f"SELECT {_COLUMNS} FROM spans WHERE trace_id = ? AND span_id = ?"  # noqa: S608  as above
_RECENT = """
SELECT request_key, MIN(start_ns), MAX(end_ns), COUNT(*), MAX(status = 'ERROR') FROM spans
WHERE request_key IS NOT NULL AND rowid > (SELECT MAX(rowid) FROM spans) - :rows
GROUP BY request_key ORDER BY MAX(end_ns) DESC, request_key LIMIT :limit
"""
RECENT_ROWS_MAX = 200_000
"""How many of the newest spans `recent` looks at: it answers in a fraction of a second on a store of any size."""
BUSY_TIMEOUT_S = 5.0
UNREADABLE = "opswire.ledger.unreadable"
"""Set on a span whose stored attributes or links are not JSON; the span is kept, its times are good."""


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


def create(path: Path) -> None:
    """Make the store, or leave it as it is. Raises sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA)


def insert(path: Path, spans: Iterable[Span]) -> None:
    """Add spans to a store, in one transaction: for importing traces and for tests. Raises sqlite3.Error."""
    marks = ",".join("?" * 13)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        connection.executemany(f"INSERT INTO spans VALUES ({marks})", map(_row, spans))  # noqa: S608  question marks


def read_request(path: Path, request_key: str) -> list[Span]:
    """All spans of a request: those that carry its key, those of their traces without a key, and those linked.

    Empty when the store knows nothing of it. Raises StoreError.
    """
    with _reading(path) as connection:
        spans = [_span(row) for row in connection.execute(_OF_REQUEST, {"key": request_key})]
        known = {(span.trace_id, span.span_id) for span in spans}
        for link in [link for span in spans for link in span.links]:
            key = (link.trace_id, link.span_id)
            if key not in known:
                known.add(key)
                spans.extend(_span(row) for row in connection.execute(_LINKED, key))
    return spans


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


def _row(span: Span) -> tuple[object, ...]:
    links = json.dumps([{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links])
    return (
        span.trace_id,
        span.span_id,
        span.parent_id,
        links,
        span.service,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        span.status,
        json.dumps(dict(span.attributes)),
        span.clock_domain,
        span.request_key,
    )


def _span(row: tuple[str, str, str | None, str, str, str, str, int, int, str, str, str, str | None]) -> Span:
    trace_id, span_id, parent_id, links, service, name, kind, start, end, status, attributes, clock_domain, key = row
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        service=service,
        name=name,
        kind=kind,
        start_ns=start,
        end_ns=end,
        status=status,
        attributes=_attributes(attributes),
        links=_links(links),
        clock_domain=clock_domain,
        request_key=key,
    )


def _attributes(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {UNREADABLE: True}
    return value if isinstance(value, dict) else {UNREADABLE: True}


def _links(text: str) -> tuple[SpanLink, ...]:
    try:
        value = json.loads(text) if text != "[]" else []
    except ValueError:
        return ()
    if not isinstance(value, list):
        return ()
    return tuple(
        SpanLink(str(link["trace_id"]), str(link["span_id"]))
        for link in value
        if isinstance(link, dict) and "trace_id" in link and "span_id" in link
    )
