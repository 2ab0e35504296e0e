"""A database behind Python's DB-API: SQLite here, and any other whose open connection is handed in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

BUSY_TIMEOUT_S = 10.0
STREAM_ROWS = 2_000


class RowStoreError(Exception):
    """The row store cannot be used. The message says which and what to do; it holds no password."""


class Database:
    """One connection. Statements are written with `?`; use it from one thread at a time."""

    def __init__(
        self,
        connection: Any,
        name: str,
        errors: tuple[type[Exception], ...],
        placeholder: str = "?",
        streaming_cursor: Callable[[], Any] | None = None,
    ) -> None:
        """`connection` is open and not in autocommit; `streaming_cursor` makes one that fetches as it is read."""
        self.name = name
        self._connection = connection
        self._errors = errors
        self._placeholder = placeholder
        self._streaming_cursor = streaming_cursor or connection.cursor

    @classmethod
    def sqlite(cls, path: Path, shared: bool = False) -> Self:
        """A SQLite file, made where it is not there. `shared` lets several threads take turns. Raises RowStoreError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=not shared)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise RowStoreError(f"the row store at {path} cannot be opened: {error}") from error
        return cls(connection, str(path), (sqlite3.Error,))

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, for the few questions that each engine is asked in its own words."""
        return isinstance(self._connection, sqlite3.Connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside or nothing. Raises RowStoreError when the database refuses."""
        try:
            yield
            self._connection.commit()
        except self._errors as error:
            self._roll_back()
            raise RowStoreError(f"the row store {self.name} refuses: {_first_line(error)}") from error
        except BaseException:
            self._roll_back()
            raise

    def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        """One statement; its cursor. Inside `transaction`."""
        cursor = self._connection.cursor()
        cursor.execute(self._written(statement), tuple(values))
        return cursor

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for each row. Inside `transaction`."""
        self._connection.cursor().executemany(self._written(statement), rows)

    def stream(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few thousand in memory at a time. Inside `transaction`."""
        cursor = self._streaming_cursor()
        try:
            cursor.execute(self._written(statement), tuple(values))
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield from rows
        finally:
            cursor.close()

    def close(self) -> None:
        """Give the connection up. Safe to repeat."""
        self._connection.close()

    def _roll_back(self) -> None:
        # The connection may be what failed; the transaction is then gone with it.
        with suppress(*self._errors):
            self._connection.rollback()

    def _written(self, statement: str) -> str:
        return statement if self._placeholder == "?" else statement.replace("?", self._placeholder)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
