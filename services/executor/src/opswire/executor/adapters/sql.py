"""Queries of databases that are told, by their own means, that nothing may be written."""

from __future__ import annotations

import asyncio
import base64
import re
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from opswire.contracts.findings import Asset
from opswire.contracts.types import Cell
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.secrets import Secrets
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.errors import (
    DatabaseRefusedError,
    HostUnreachableError,
    LoginRefusedError,
    QueryFailedError,
    QueryRefusedError,
    ToolError,
)
from opswire.executor.rules.cells import plain
from opswire.executor.rules.driver_settings import SqlQuery
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.targets import port_of
from opswire.executor.rules.tools import Record, Tool, ToolCall, ToolResult

POSTGRESQL_PORT = 5432
_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
# A read-only transaction does not keep such a role from programs, files and other people's sessions.
_RIGHTS = """
SELECT rolsuper OR rolreplication OR rolbypassrls OR rolcreaterole OR
       pg_has_role(oid, 'pg_execute_server_program', 'member') OR pg_has_role(oid, 'pg_write_server_files', 'member') OR
       pg_has_role(oid, 'pg_read_server_files', 'member') OR pg_has_role(oid, 'pg_signal_backend', 'member')
FROM pg_roles WHERE rolname = current_user
"""
_SQLITE_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_SQLITE_FUNCTIONS_REFUSED = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
SQLITE_BYTES_MAX = 1_000_000
SQLITE_STEPS = 10_000


class Sql:
    """Asks the database of an asset: its attributes say engine, port, database, user and credential."""

    def __init__(self, settings: DriverSettings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets

    def tool(self, driver: SqlQuery) -> Tool:
        """The tool that asks this query, or the one in the argument `sql`; a record for each row.

        Raises QueryRefusedError for whatever would write, QueryFailedError, DatabaseRefusedError, HostUnreachableError.
        """

        async def query(call: ToolCall) -> ToolResult:
            asset = call.needed_asset()
            text = driver.sql or call.text("sql")
            values = call.step.arguments if driver.sql else {}
            engine = asset.attributes.get("engine", "")
            if engine == "postgresql":
                columns, rows = await self._postgresql(asset, text, values, driver.rows_max, call.step.timeout_ms)
            elif engine == "sqlite":
                columns, rows = await self._sqlite(asset, text, values, driver.rows_max)
            else:
                raise DatabaseRefusedError(f"the inventory gives {asset.name} no engine that is postgresql or sqlite")
            note = f"Only the first {driver.rows_max} rows are shown." if len(rows) > driver.rows_max else ""
            return ToolResult(tuple(_record(columns, row) for row in rows[: driver.rows_max]), note)

        return query

    async def _postgresql(
        self, asset: Asset, text: str, values: Mapping[str, Value], rows_max: int, timeout_ms: int
    ) -> tuple[list[str], list[Sequence[object]]]:
        # No % of the query is psycopg's, unless a value is bound.
        query = _PLACE.sub(r"%(\1)s", text.replace("%", "%%")) if values else text
        connection = await self._connect(asset, timeout_ms)
        async with connection:
            try:
                await connection.set_read_only(True)
                await _require_few_rights(connection, asset)
                # A cursor is declared for a query alone: the server refuses anything else, and two of them in one text.
                async with connection.cursor(name="opswire") as cursor:
                    await cursor.execute(query.encode(), dict(values) or None)
                    columns = [column.name for column in cursor.description or ()]
                    return columns, list(await cursor.fetchmany(rows_max + 1))
            except psycopg.Error as error:
                raise _postgresql_error(asset, error) from error

    async def _connect(self, asset: Asset, timeout_ms: int) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        attributes = asset.attributes
        user, database = attributes.get("db_user", ""), attributes.get("database", "")
        if not _NAME.fullmatch(user) or not _NAME.fullmatch(database):
            raise DatabaseRefusedError(f"the inventory gives {asset.name} no db_user and database that are plain names")
        address = await address_of(asset, allow_loopback=self._settings.allow_loopback)
        reference = attributes.get("credential", "")
        password = (await self._secrets.resolve(reference)).get_secret_value() if reference else None
        try:
            return await psycopg.AsyncConnection.connect(
                host=asset.address,
                hostaddr=address,
                port=port_of(asset) or POSTGRESQL_PORT,
                user=user,
                password=password,
                dbname=database,
                passfile="/nonexistent",
                sslmode="require" if attributes.get("tls") == "yes" else "prefer",
                connect_timeout=max(2, round(self._settings.connect_timeout_s)),
                application_name="opswire",
                options=f"-c default_transaction_read_only=on -c statement_timeout={timeout_ms} -c lock_timeout=2000",
            )
        except psycopg.OperationalError as error:
            if "authentication" in str(error).casefold() or "password" in str(error).casefold():
                raise LoginRefusedError(f"{asset.name} refused the user or credential of the inventory") from None
            raise HostUnreachableError(f"the database {asset.name} was not reached: {_said(error)}") from None

    async def _sqlite(
        self, asset: Asset, text: str, values: Mapping[str, Value], rows_max: int
    ) -> tuple[list[str], list[Sequence[object]]]:
        path = self._sqlite_path(asset)
        stop = threading.Event()
        query = _PLACE.sub(r":\1", text) if values else text
        asking = asyncio.create_task(asyncio.to_thread(_ask_sqlite, path, query, dict(values), rows_max, stop))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            # The thread is told to end and waited for: no query outlives the step that asked it.
            stop.set()
            await asyncio.gather(asking, return_exceptions=True)
            raise

    def _sqlite_path(self, asset: Asset) -> Path:
        folder, name = self._settings.sqlite_dir, asset.attributes.get("database", "")
        if folder is None:
            raise DatabaseRefusedError("SQLite files are asked only where OPSWIRE_SQLITE_DIR names their folder")
        base = folder.resolve()
        path = (base / name).resolve() if name.isprintable() and not Path(name).is_absolute() else base
        if path == base or not path.is_relative_to(base) or not path.is_file():
            raise DatabaseRefusedError(f"the database of {asset.name} is no file in the folder of SQLite files")
        return path


def _ask_sqlite(
    path: Path, query: str, values: dict[str, Value], rows_max: int, stop: threading.Event
) -> tuple[list[str], list[Sequence[object]]]:
    """In a thread: one query of a file that is opened for reading alone, every action of it authorised."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SQLITE_BYTES_MAX)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.set_authorizer(_authorised)
            connection.set_progress_handler(stop.is_set, SQLITE_STEPS)
            cursor = connection.execute(query, values)
            columns = [str(column[0]) for column in cursor.description or ()]
            if not columns:
                raise QueryRefusedError("it is no query that answers rows")
            return columns, list(cursor.fetchmany(rows_max + 1))
    except sqlite3.Error as error:
        said = _said(error)
        if "not authorized" in said or "prohibited" in said or "readonly" in said or "one statement" in said:
            raise QueryRefusedError(f"the database is asked for reading alone and refused: {said}") from None
        raise QueryFailedError(f"the query failed: {said}") from None


def _authorised(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _SQLITE_ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or first or "").casefold() not in _SQLITE_FUNCTIONS_REFUSED:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


async def _require_few_rights(connection: psycopg.AsyncConnection[tuple[Any, ...]], asset: Asset) -> None:
    row = await (await connection.execute(_RIGHTS)).fetchone()
    if row is None or row[0]:
        raise DatabaseRefusedError(
            f"the db_user of {asset.name} may do more than read tables (superuser, files, programs or sessions of the "
            "server); give the inventory a user that may not"
        )


def _postgresql_error(asset: Asset, error: psycopg.Error) -> ToolError:
    said = _said(error)
    # 25006 read-only transaction, 42501 no right, 42601 syntax (no query, or two), 0A000 (a CTE that writes).
    if error.sqlstate in ("25006", "42501") or "DECLARE CURSOR" in said or "multiple commands" in said:
        return QueryRefusedError(f"{asset.name} is asked for reading alone and refused: {said}")
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return HostUnreachableError(f"the connection to {asset.name} broke: {said}")
    return QueryFailedError(f"{asset.name} could not answer: {said}")


def _said(error: Exception) -> str:
    return plain(" ".join(str(error).split()), 300)


def _record(columns: Sequence[str], row: Sequence[object]) -> Record:
    names = [plain(name, 100) or "?" for name in columns]
    return {
        (name if names.index(name) == place else f"{name}_{place + 1}"): _cell(value)
        for place, (name, value) in enumerate(zip(names, row, strict=True))
    }


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    if isinstance(value, bytes | memoryview):
        return f"base64:{base64.b64encode(bytes(value)[:600]).decode()}"
    return plain(str(value))
