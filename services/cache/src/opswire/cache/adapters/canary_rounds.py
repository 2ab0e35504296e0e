"""The canary's rounds, kept in the history's database."""

from __future__ import annotations

import time
from dataclasses import dataclass

from opswire.cache.adapters.history_store import Database

DAY_S = 86_400.0
_ROUNDS = "SELECT took_s, stale_reads, error FROM canary WHERE at_s >= ? ORDER BY at_s"
_WORST = """
SELECT CAST(at_s / :bucket_s AS INTEGER) * :bucket_s AS at, MAX(took_s), SUM(stale_reads)
FROM canary WHERE at_s >= :since_s AND error = '' GROUP BY at ORDER BY at"""


@dataclass(frozen=True, slots=True)
class Figures:
    """The rounds of the last day. Seconds until nobody served the old value."""

    rounds: int = 0
    last_s: float | None = None
    median_s: float | None = None
    p99_s: float | None = None
    stale_reads: int = 0
    failed: int = 0
    last_error: str = ""


class CanaryRounds:
    """Methods raise OSError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, took_s: float, stale_reads: int, error: str = "") -> None:
        """Keep one round; with an error it came to nothing."""
        row = (time.time(), took_s, stale_reads, error[:500])
        await self._database.run(lambda on: on.execute("INSERT OR REPLACE INTO canary VALUES (?, ?, ?, ?)", row))

    async def figures(self) -> Figures:
        """What the last day's rounds say."""
        rows = await self._database.run(lambda on: on.execute(_ROUNDS, (time.time() - DAY_S,)).fetchall())
        good = [(took_s, stale) for took_s, stale, error in rows if not error]
        failed = len(rows) - len(good)
        last_error = next((error for _, _, error in reversed(rows) if error), "")
        if not good:
            return Figures(failed=failed, last_error=last_error)
        ordered = sorted(took_s for took_s, _ in good)
        return Figures(
            rounds=len(good),
            last_s=good[-1][0],
            median_s=ordered[len(ordered) // 2],
            p99_s=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
            stale_reads=sum(stale for _, stale in good),
            failed=failed,
            last_error=last_error,
        )

    async def worst(self, since_s: float, bucket_s: int) -> list[tuple[int, float, int]]:
        """Of each span of time: its beginning, the slowest round, and the stale reads."""
        names = {"since_s": since_s, "bucket_s": bucket_s}
        return await self._database.run(lambda on: on.execute(_WORST, names).fetchall())
