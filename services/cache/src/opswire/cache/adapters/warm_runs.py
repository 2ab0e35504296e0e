"""The warming run, kept in the history's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from opswire.cache.adapters.history_store import Database
from opswire.cache.usecases.warming import Progress

_PROGRESS = """
SELECT state, warm_run.run_id, COUNT(place), COUNT(status), COALESCE(SUM(status = 'completed'), 0), started_ns,
    last_error
FROM warm_run LEFT JOIN warm_request USING (run_id) GROUP BY warm_run.run_id"""


class WarmRuns:
    """One run: a new one takes the place of the last. Methods raise OSError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, run_id: str, texts: Sequence[str], started_ns: int) -> None:
        """Keep a new run instead of the last."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM warm_run")
            connection.execute("DELETE FROM warm_request")
            connection.execute("INSERT INTO warm_run VALUES (?, 'running', ?, '')", (run_id, started_ns))
            rows = [(run_id, place, text) for place, text in enumerate(texts)]
            connection.executemany("INSERT INTO warm_request (run_id, place, text) VALUES (?, ?, ?)", rows)

        await self._database.run(work)

    async def pending(self) -> list[tuple[int, str]]:
        """Places and texts that are not done yet."""
        select = "SELECT place, text FROM warm_request WHERE status IS NULL ORDER BY place"
        return await self._database.run(lambda connection: connection.execute(select).fetchall())

    async def done(self, run_id: str, place: int, status: str) -> None:
        """Note one as done."""
        update = "UPDATE warm_request SET status = ? WHERE run_id = ? AND place = ?"
        await self._database.run(lambda connection: connection.execute(update, (status, run_id, place)))

    async def set_state(self, state: str, last_error: str = "") -> None:
        """Note how the run stands."""
        update = "UPDATE warm_run SET state = ?, last_error = ?"
        await self._database.run(lambda connection: connection.execute(update, (state, last_error)))

    async def progress(self) -> Progress:
        """How the run stands."""
        row = await self._database.run(lambda connection: connection.execute(_PROGRESS).fetchone())
        return Progress("idle") if row is None else Progress(*row)
