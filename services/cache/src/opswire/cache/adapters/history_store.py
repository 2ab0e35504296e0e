"""The history in SQLite: counts per span of time, sizes, canary rounds and the warming run.

One connection on one thread of its own; the loop never waits for a disk. A file that is no database is put aside.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from opswire.cache.usecases.history import Record
from opswire.cache.usecases.statistics import COUNTERS, HITS, READS, Counts, Key
from opswire.chassis.logs import get_logger

ROWS_MAX = 500_000
"""Beyond, the oldest go before their time: a label that takes ever new values must not fill the disk."""
COUNTED_KEEP_S = 3_600.0
SCHEMA_VERSION = 1
ResultT = TypeVar("ResultT")

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS counts (
    at_s INTEGER, service TEXT, cache TEXT, family TEXT, {", ".join(f"{name} INTEGER DEFAULT 0" for name in COUNTERS)},
    PRIMARY KEY (at_s, service, cache, family)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sizes (
    at_s INTEGER, service TEXT, cache TEXT, entries INTEGER, bytes INTEGER,
    PRIMARY KEY (at_s, service, cache)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counted (holder_id TEXT PRIMARY KEY, seen_s REAL, keys TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS canary (at_s REAL PRIMARY KEY, took_s REAL, stale_reads INTEGER, error TEXT);
CREATE TABLE IF NOT EXISTS warm_run (
    run_id TEXT PRIMARY KEY, state TEXT, started_ns INTEGER, last_error TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS warm_request (
    run_id TEXT, place INTEGER, text TEXT, status TEXT, PRIMARY KEY (run_id, place)) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
"""


def _sum(names: tuple[str, ...]) -> str:
    return " + ".join(f"SUM({name})" for name in names)


_COUNTS = f"""
SELECT at_s, cache, {_sum(HITS)}, {_sum(READS)}, SUM(fills), SUM(evictions), SUM(dropped),
    SUM(stale_memory) + SUM(stale_shared)
FROM counts WHERE at_s >= ? GROUP BY at_s, cache"""  # noqa: S608  our own names
_SIZES = "SELECT at_s, cache, SUM(bytes), SUM(entries) FROM sizes WHERE at_s >= ? GROUP BY at_s, cache"


@dataclass(frozen=True, slots=True)
class Point:
    """One cache in one span of time."""

    at_s: int
    cache: str
    hits: int
    reads: int
    fills: int
    evictions: int
    dropped: int
    stale: int
    bytes: int
    entries: int


class Database:
    """The file. `run` works on it; other adapters share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache history")
        self._connection: sqlite3.Connection

    async def open(self) -> None:
        """Open or create it. Raises OSError when the state directory cannot be used."""
        try:
            await self._on_thread(self._open)
        except sqlite3.OperationalError as error:
            raise OSError(f"the cache history {self._path} cannot be opened: {error}") from error

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = self._path.with_suffix(f".unreadable-{int(time.time())}")
            self._path.replace(aside)
            get_logger().warning("the cache history was unreadable; begun anew", kept_as=aside.name, error=str(error))
            self._connection = self._connected()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=2.0, check_same_thread=False, isolation_level=None)
        try:
            # A power cut may cost the last seconds of a history; it must not cost every write a disk's time.
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    async def run(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Do `work` in one transaction. Raises OSError when the disk is full or the file is damaged."""
        try:
            return await self._on_thread(lambda: self._transaction(work))
        except sqlite3.Error as error:
            raise OSError(f"the cache history cannot be used: {error}") from error

    def _transaction(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    async def _on_thread(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Close it; safe to call when it never opened."""
        if hasattr(self, "_connection"):
            await self._on_thread(self._connection.close)
        self._thread.shutdown()


class HistoryStore:
    """Counts and sizes over time."""

    def __init__(self, database: Database, keep_s: float) -> None:
        self._database = database
        self._keep_s = keep_s

    async def write(self, record: Record) -> None:
        """All of it or nothing; what is too old goes. Raises OSError."""
        await self._database.run(lambda connection: self._write(connection, record))

    def _write(self, connection: sqlite3.Connection, record: Record) -> None:
        names = ", ".join(COUNTERS)
        marks = ", ".join("?" * (4 + len(COUNTERS)))
        grow = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)
        connection.executemany(
            f"INSERT INTO counts (at_s, service, cache, family, {names}) VALUES ({marks})"  # noqa: S608  our own names
            f" ON CONFLICT DO UPDATE SET {grow}",
            [(record.at_s, *key, *(counts.get(name, 0) for name in COUNTERS)) for key, counts in record.fresh.items()],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO sizes VALUES (?, ?, ?, ?, ?)",
            [(record.at_s, one.service, one.cache, one.entries, one.bytes) for one in record.sizes],
        )
        now_s = time.time()
        connection.executemany(
            "INSERT OR REPLACE INTO counted VALUES (?, ?, ?)",
            [(holder_id, now_s, _packed(keys)) for holder_id, keys in record.counted.items()],
        )
        connection.execute("DELETE FROM counted WHERE seen_s < ?", (now_s - COUNTED_KEEP_S,))
        self._forget(connection, record.at_s)

    def _forget(self, connection: sqlite3.Connection, now_s: float) -> None:
        for table in ("counts", "sizes", "canary"):
            connection.execute(f"DELETE FROM {table} WHERE at_s < ?", (now_s - self._keep_s,))  # noqa: S608  our own
            (rows,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608  our own
            if rows > ROWS_MAX:
                cut = connection.execute(
                    f"SELECT at_s FROM {table} ORDER BY at_s LIMIT 1 OFFSET ?",  # noqa: S608  our own
                    (rows - ROWS_MAX,),
                ).fetchone()
                connection.execute(f"DELETE FROM {table} WHERE at_s <= ?", cut)  # noqa: S608  our own

    async def counted(self) -> dict[str, dict[Key, Counts]]:
        """Of each process, what of its counters is in the history already. Raises OSError."""
        rows = await self._database.run(lambda on: on.execute("SELECT holder_id, keys FROM counted").fetchall())
        return {holder_id: _unpacked(keys) for holder_id, keys in rows}

    async def points(self, since_s: float) -> list[Point]:
        """What happened since then, oldest first. Raises OSError."""

        def work(connection: sqlite3.Connection) -> list[Point]:
            counts = {tuple(row[:2]): row[2:] for row in connection.execute(_COUNTS, (since_s,))}
            sizes = {tuple(row[:2]): row[2:] for row in connection.execute(_SIZES, (since_s,))}
            return [Point(*key, *counts.get(key, (0,) * 6), *sizes.get(key, (0, 0))) for key in sorted(counts | sizes)]

        return await self._database.run(work)


def _packed(keys: dict[Key, Counts]) -> str:
    return json.dumps([[*key, counts] for key, counts in keys.items()])


def _unpacked(text: str) -> dict[Key, Counts]:
    return {(service, cache, family): counts for service, cache, family, counts in json.loads(text)}
