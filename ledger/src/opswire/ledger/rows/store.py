"""The row store: requests, their segments and stages, in SQLite or PostgreSQL, with the same tables in both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opswire.ledger.rows.database import Database, RowStoreError
from opswire.ledger.rows.model import BUCKETS, RequestRow, RowSegment
from opswire.ledger.rows.schema import OF_A_REQUEST, SCHEMA_VERSION, TABLES

_REQUEST_COLUMNS = (
    "request_key, trace_ids, route, outcome, t0_ns, t1_ns, e2e_ns, weight, flags, skew_bound_ns, missing_parents,"
    " unattributed_ns, adopted_ns, attributes, bucket, engine_version"
)
_REQUEST_NAMES = _REQUEST_COLUMNS.split(", ")
_SEGMENT_COLUMNS = "start_ns, end_ns, stage, sub, trace_id, span_id, service, operation, why"
_INSERT_REQUEST = f"INSERT INTO request({_REQUEST_COLUMNS}) VALUES ({', '.join('?' * 16)})"  # noqa: S608  constants
_INSERT_SEGMENT = f"INSERT INTO segment(request_key, seq, {_SEGMENT_COLUMNS}) VALUES ({', '.join('?' * 11)})"  # noqa: S608
_INSERT_STAGE = "INSERT INTO request_stage(request_key, stage, ns, n) VALUES (?, ?, ?, ?)"
_CHUNK_ROWS = 400
_IN_WINDOW = "t1_ns >= ? AND t1_ns < ? AND bucket < ?"


@dataclass(frozen=True, slots=True)
class Extent:
    """What the store holds. Times are nanoseconds of finishes, None where it is empty."""

    requests: int
    first_ns: int | None
    last_ns: int | None


class RowStore:
    """Rows in and out. Everything raises RowStoreError when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        """Makes the tables where they are not there. Raises RowStoreError for tables of another version."""
        self.database = database
        with database.transaction():
            for statement in TABLES:
                database.execute(statement)
            found = self.state("schema_version")
            if found is None:
                self.set_state("schema_version", str(SCHEMA_VERSION))
            elif found != str(SCHEMA_VERSION):
                raise RowStoreError(
                    f"the row store {database.name} has tables of version {found}, this program knows {SCHEMA_VERSION}:"
                    " use the program that made it, or another store"
                )

    def state(self, name: str) -> str | None:
        """A word kept under a name. Inside a transaction."""
        row = self.database.execute("SELECT value FROM ledger_state WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_state(self, name: str, value: str) -> None:
        """Keep a word under a name. Inside a transaction."""
        upsert = "INSERT INTO ledger_state(name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = ?"
        self.database.execute(upsert, (name, value, value))

    def put(self, rows: Iterable[RequestRow]) -> None:
        """Write rows; one with a key that is there replaces it. Inside a transaction."""
        rows = list(rows)
        self._forget([row.request_key for row in rows])
        self.database.execute_many(_INSERT_REQUEST, [_request_values(row) for row in rows])
        self.database.execute_many(_INSERT_SEGMENT, [values for row in rows for values in _segment_values(row)])
        stages = [(row.request_key, stage, ns, count) for row in rows for stage, (ns, count) in row.stages.items()]
        self.database.execute_many(_INSERT_STAGE, stages)

    def extent(self) -> Extent:
        """How many requests there are, and from when to when they finished."""
        with self.database.transaction():
            count, first, last = self.database.execute(
                "SELECT COUNT(*), MIN(t1_ns), MAX(t1_ns) FROM request"
            ).fetchone()
        return Extent(count, first, last)

    def count(self, start_ns: int, end_ns: int) -> int:
        """How many requests finished in [start, end)."""
        with self.database.transaction():
            query = f"SELECT COUNT(*) FROM request WHERE {_IN_WINDOW}"  # noqa: S608  a constant
            return int(self.database.execute(query, (start_ns, end_ns, BUCKETS)).fetchone()[0])

    def rows(self, start_ns: int, end_ns: int, buckets: int = BUCKETS) -> Iterator[RequestRow]:
        """Requests that finished in [start, end), in the order of finish, without segments; some hundred at a time."""
        query = f"SELECT {_REQUEST_COLUMNS} FROM request WHERE {_IN_WINDOW} ORDER BY t1_ns, request_key"  # noqa: S608
        with self.database.transaction():
            found = self.database.stream(query, (start_ns, end_ns, buckets))
            while chunk := list(islice(found, _CHUNK_ROWS)):
                stages = self._stages([columns[0] for columns in chunk])
                for columns in chunk:
                    yield _row(columns, stages.get(columns[0], {}))

    def request(self, request_key: str) -> RequestRow | None:
        """One request with its segments in the order of time, or None."""
        with self.database.transaction():
            query = f"SELECT {_REQUEST_COLUMNS} FROM request WHERE request_key = ?"  # noqa: S608  a constant
            columns = self.database.execute(query, (request_key,)).fetchone()
            if columns is None:
                return None
            query = f"SELECT {_SEGMENT_COLUMNS} FROM segment WHERE request_key = ? ORDER BY seq"  # noqa: S608
            segments = tuple(RowSegment(*found) for found in self.database.execute(query, (request_key,)))
            return _row(columns, self._stages([request_key]).get(request_key, {}), segments)

    def last(self, limit: int, start_ns: int = 0, end_ns: int = 1 << 62) -> list[RequestRow]:
        """The requests that finished last, newest first, without segments."""
        with self.database.transaction():
            query = (
                f"SELECT {_REQUEST_COLUMNS} FROM request WHERE {_IN_WINDOW} ORDER BY t1_ns DESC, request_key LIMIT ?"  # noqa: S608
            )
            found = self.database.execute(query, (start_ns, end_ns, BUCKETS, limit)).fetchall()
            stages = self._stages([columns[0] for columns in found])
        return [_row(columns, stages.get(columns[0], {})) for columns in found]

    def of_other_engines(self, version: int, limit: int) -> list[tuple[str, int]]:
        """Key and finish of rows that an engine of another version booked, newest first. Inside a transaction."""
        query = "SELECT request_key, t1_ns FROM request WHERE engine_version <> ? ORDER BY t1_ns DESC LIMIT ?"
        return [(key, t1) for key, t1 in self.database.execute(query, (version, limit))]

    def forget_before(self, t1_ns: int, limit: int) -> int:
        """Delete at most `limit` requests that finished before; how many it were. Inside a transaction."""
        query = "SELECT request_key FROM request WHERE t1_ns < ? ORDER BY t1_ns LIMIT ?"
        keys = [key for (key,) in self.database.execute(query, (t1_ns, limit))]
        self._forget(keys)
        return len(keys)

    def _forget(self, keys: Sequence[str]) -> None:
        for table in OF_A_REQUEST:
            self.database.execute_many(f"DELETE FROM {table} WHERE request_key = ?", [(key,) for key in keys])  # noqa: S608

    def _stages(self, keys: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for first in range(0, len(keys), _CHUNK_ROWS):
            some = keys[first : first + _CHUNK_ROWS]
            marks = ", ".join("?" * len(some))
            query = f"SELECT request_key, stage, ns, n FROM request_stage WHERE request_key IN ({marks})"  # noqa: S608
            for key, stage, ns, count in self.database.execute(query, some):
                found.setdefault(key, {})[stage] = (ns, count)
        return found


def _request_values(row: RequestRow) -> tuple[object, ...]:
    return (
        row.request_key,
        json.dumps(row.trace_ids),
        row.route,
        row.outcome,
        row.t0_ns,
        row.t1_ns,
        row.e2e_ns,
        row.weight,
        " ".join(row.flags),
        row.skew_bound_ns,
        row.missing_parents,
        row.unattributed_ns,
        row.adopted_ns,
        json.dumps(row.attributes, ensure_ascii=False),
        row.bucket,
        row.engine_version,
    )


def _segment_values(row: RequestRow) -> Iterator[tuple[object, ...]]:
    for seq, s in enumerate(row.segments):
        place = (row.request_key, seq, s.start_ns, s.end_ns)
        yield (*place, s.stage, s.sub, s.trace_id, s.span_id, s.service, s.operation, s.why)


def _row(
    columns: Sequence[Any], stages: Mapping[str, tuple[int, int]], segments: tuple[RowSegment, ...] = ()
) -> RequestRow:
    named = dict(zip(_REQUEST_NAMES, columns, strict=True))
    return RequestRow(
        request_key=named["request_key"],
        trace_ids=tuple(json.loads(named["trace_ids"])),
        route=named["route"],
        outcome=named["outcome"],
        t0_ns=named["t0_ns"],
        t1_ns=named["t1_ns"],
        e2e_ns=named["e2e_ns"],
        weight=named["weight"],
        flags=tuple(named["flags"].split()),
        skew_bound_ns=named["skew_bound_ns"],
        missing_parents=named["missing_parents"],
        unattributed_ns=named["unattributed_ns"],
        adopted_ns=named["adopted_ns"],
        attributes=json.loads(named["attributes"]),
        engine_version=named["engine_version"],
        stages=stages,
        segments=segments,
    )
