"""What happened over time, and warming, over HTTP.

GET  /cache/history?hours=         hit rates, memory and staleness over time
GET  /cache/warm                   how far the latest warming is
POST /cache/warm                   {} or {"requests": [...]} or {"recent": 50} or {"resume": true}
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path

from opswire.cache.adapters.canary_rounds import CanaryRounds
from opswire.cache.adapters.history_store import HistoryStore
from opswire.cache.adapters.recent_requests import RecentRequests
from opswire.cache.errors import WarmingError
from opswire.cache.http.models import CanaryAnswer, CanaryPoint, HistoryAnswer, HistoryPoint, WarmAnswer, WarmBody
from opswire.cache.http.operations import Operation, Parameter, answer, model_of, number
from opswire.cache.settings import CacheSettings
from opswire.cache.usecases.warming import Progress, Warmer
from opswire.contracts.types import TEXT_CHARACTERS_MAX
from starlette.requests import Request
from starlette.responses import Response

HOURS = Parameter("hours", "How far back.", 24, 24 * 31)
REQUESTS_MAX = 10_000


class OverTime:
    """The handlers."""

    def __init__(
        self,
        settings: CacheSettings,
        history: HistoryStore,
        rounds: CanaryRounds,
        warmer: Warmer,
        recent: RecentRequests,
    ) -> None:
        self._settings = settings
        self._history = history
        self._rounds = rounds
        self._warmer = warmer
        self._recent = recent

    async def canary(self) -> CanaryAnswer:
        """What the canary saw in the last day. Raises OSError."""
        figures = asdict(await self._rounds.figures())
        return CanaryAnswer(is_on=self._settings.canary_interval_s > 0, **figures)

    async def warm(self) -> WarmAnswer:
        """How far the latest warming is. Raises OSError."""
        return _shown(await self._warmer.progress())

    async def cache_history(self, request: Request) -> Response:
        """Hit rates, memory and staleness over time."""
        bucket_s = self._settings.cache_history_bucket_s
        since_s = time.time() - number(request, HOURS) * 3_600
        points = [
            HistoryPoint(hit_rate=point.hits / point.reads if point.reads else None, **asdict(point))
            for point in await self._history.points(since_s)
        ]
        worst = await self._rounds.worst(since_s, bucket_s)
        canary = [CanaryPoint(at_s=at_s, worst_s=worst_s, stale_reads=stale) for at_s, worst_s, stale in worst]
        return answer(HistoryAnswer(bucket_s=bucket_s, points=points, canary=canary))

    async def warm_progress(self, _: Request) -> Response:
        """How far the latest warming is."""
        return answer(await self.warm())

    async def warm_caches(self, request: Request) -> Response:
        """Begin a warming run, or go on with the last one."""
        body = await model_of(request, WarmBody)
        if body.resume:
            progress = await self._warmer.resume()
        elif body.recent is not None:
            progress = await self._warmer.begin(await self._recent.most_frequent(body.recent))
        else:
            listed = await asyncio.to_thread(_listed, self._settings.warm_file) if body.requests is None else []
            progress = await self._warmer.begin(body.requests or listed)
        return answer(_shown(progress), 202)

    def operations(self) -> tuple[Operation, ...]:
        """Their part of the table."""
        return (
            Operation(
                "GET",
                "/cache/history",
                "What happened over time",
                self.cache_history,
                HistoryAnswer,
                parameters=(HOURS,),
            ),
            Operation("GET", "/cache/warm", "How far the latest warming is", self.warm_progress, WarmAnswer),
            Operation(
                "POST",
                "/cache/warm",
                "Fill the caches with common requests",
                self.warm_caches,
                WarmAnswer,
                WarmBody,
                is_write=True,
                status=202,
            ),
        )


def _shown(progress: Progress) -> WarmAnswer:
    return WarmAnswer(**asdict(progress), failed=progress.done - progress.completed)


def _listed(file: Path | None) -> list[str]:
    """The common requests of the setting's file. Raises WarmingError when it cannot be read."""
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WarmingError(f"OPSWIRE_WARM_FILE {file.name} cannot be read: {type(error).__name__}") from error
    texts = [line.partition("#")[0].strip()[:TEXT_CHARACTERS_MAX] for line in lines]
    return [text for text in texts if text][:REQUESTS_MAX]
