"""Orders in a table of an SQLite file, one row each, its columns taken from the order's JSON."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from opswire.lab.services.orders import ORDERS_MAX, SEED

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, id INTEGER, item TEXT, state TEXT, body TEXT NOT NULL)
"""


class OrderTable:
    """Opened for each question and closed after it: a file that was put in its place meanwhile is seen."""

    def __init__(self, path: Path) -> None:
        """A new file begins with five orders. Raises sqlite3.Error when the file is none of SQLite's."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(SCHEMA)
        if self.count == 0:
            for row in SEED:
                self.add(json.dumps(dict(zip(("id", "item", "count", "state"), row, strict=True))))

    @property
    def count(self) -> int:
        """How many orders there are."""
        with self._open() as connection:
            (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
        return int(count)

    def latest(self, count: int) -> list[str]:
        """The newest orders as JSON texts, oldest of them first."""
        with self._open() as connection:
            rows = connection.execute("SELECT body FROM orders ORDER BY number DESC LIMIT ?", (count,)).fetchall()
        return [str(body) for (body,) in reversed(rows)]

    def add(self, text: str) -> None:
        """Append one order, given as a JSON object. Raises ValueError for anything else or when the table is full."""
        order = json.loads(text)
        if not isinstance(order, dict) or self.count >= ORDERS_MAX:
            raise ValueError("not a JSON object, or too many orders")
        values = (*(order.get(name) for name in ("id", "item", "state")), text)
        with self._open() as connection:
            connection.execute("INSERT INTO orders (id, item, state, body) VALUES (?, ?, ?, ?)", values)

    def _open(self) -> _Closing:
        return _Closing(self._path)


class _Closing:
    """A connection that commits and closes at the end of its block; sqlite3's own leaves it open."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=2.0)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        self._connection.close()
