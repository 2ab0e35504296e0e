"""The one place that knows which database it is: SQLite in a file, or PostgreSQL.

The synchronous engine is used on purpose. Measured on SQLite in one run (one row by key, 2 cores): a statement on
a connection kept open 12 us, with a connection from the pool 27 us, the same in a worker thread 79 us, through
aiosqlite 184 us. A read is shorter than a hop to another thread, so SQLite reads run inline; a database that is reached
over a network is read in a worker thread, since a slow answer there would stop the whole event loop.

Writers wait for each other on both engines, in all processes: SQLite has one writer anyway, on PostgreSQL each write
takes one advisory lock. So generations are given once, no two writes dead-lock, a parent is not deleted under a child
that is being created, and outbox rows become visible in the order of their ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

BUSY_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 30_000
WRITERS_LOCK = 0x6F707377  # any number, the same in every release: `opsw`
CHANGES_CHANNEL = "opswire_outbox"


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine to read with (every statement by itself) and one to write with (transactions)."""

    read: Engine
    write: Engine
    reads_inline: bool

    def renew_statistics(self) -> None:
        """After many changes: let the planner know how the rows are spread, where the database does not do so itself.

        Seen on SQLite with 10,000 assets: a group of 200 within one environment took 2.6 ms before and 0.5 ms after.
        """
        if self.write.dialect.name == "sqlite":
            with self.write.connect() as connection:
                connection.exec_driver_sql("PRAGMA analysis_limit=1000")
                connection.exec_driver_sql("ANALYZE")
                connection.commit()
        else:
            with self.read.connect() as connection:
                connection.exec_driver_sql("ANALYZE assets, asset_names, asset_groups, asset_tags")

    def dispose(self) -> None:
        """Close all connections."""
        self.read.dispose()
        self.write.dispose()


def open_engines(url: str) -> Engines:
    """Engines for a SQLAlchemy URL; nothing is connected yet. Raises ValueError for SQLite without a file, and for
    other databases.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engines(parsed)
    if backend == "postgresql":
        return _postgresql_engines(parsed.set(drivername="postgresql+psycopg"))
    raise ValueError(f"the inventory is kept in sqlite or postgresql, not in {backend}")


class attributes_of(FunctionElement[Any]):  # noqa: N801  a function of SQL
    """The attributes of an asset's document as rows of key and value."""

    inherit_cache = True


@compiles(attributes_of, "sqlite")
def _attributes_in_sqlite(element: attributes_of, compiler: Any, **details: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **details)}, '$.attributes')"


@compiles(attributes_of, "postgresql")
def _attributes_in_postgresql(element: attributes_of, compiler: Any, **details: Any) -> str:
    return f"json_each_text(CAST({compiler.process(element.clauses, **details)} AS JSON) -> 'attributes')"


def tell_of_changes(connection: Connection) -> None:
    """With the commit of this transaction, wake whoever listens for changes; SQLite has nobody to wake."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANGES_CHANNEL}")


def _postgresql_engines(url: URL) -> Engines:
    # A connection that died with the server is found out before its use, not by a failed request.
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_TIMEOUT_S}}
    read = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=8, **options)
    write = create_engine(url, pool_size=2, **options)
    for engine in (read, write):
        event.listen(engine, "connect", _prepare_postgresql)
    event.listen(write, "begin", _begin_postgresql_write)
    return Engines(read, write, reads_inline=False)


def _prepare_postgresql(connection: Any, _record: object) -> None:
    connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.commit()


def _begin_postgresql_write(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


def _sqlite_engines(url: URL) -> Engines:
    if url.database in {None, "", ":memory:"}:
        raise ValueError("the inventory needs a SQLite file: readers and writers have connections of their own")
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    read = create_engine(url, isolation_level="AUTOCOMMIT")
    write = create_engine(url)
    event.listen(read, "connect", _prepare_sqlite)
    event.listen(write, "connect", _prepare_sqlite_writer)
    event.listen(write, "begin", _begin_sqlite_write)
    return Engines(read, write, reads_inline=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # FULL: an accepted change survives a power cut. Writes are rare here, reads pay nothing for it.
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_sqlite_writer(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver must not begin a transaction of its own before ours
    _prepare_sqlite(connection, record)


def _begin_sqlite_write(connection: Connection) -> None:
    # IMMEDIATE: a second writer waits at the start; upgrading a read lock later fails at once instead of waiting.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
