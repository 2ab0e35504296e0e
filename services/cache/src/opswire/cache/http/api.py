"""Statistics, keys and invalidation over HTTP.

GET  /cache/stats                  all caches of all processes
GET  /cache/keys?tag=&cache=&limit=
POST /cache/invalidate/<asset>     a name or an id
POST /cache/invalidate             {"asset": ...} | {"tags": [...]} | {"template": ...} | {"tool": ...} | {"all": true}
"""

from __future__ import annotations

import time

from opswire.cache.adapters.holder_reports import HolderReports
from opswire.cache.http.models import (
    InvalidateAnswer,
    InvalidateBody,
    KeyAnswer,
    KeysAnswer,
    StatsAnswer,
)
from opswire.cache.http.operations import Operation, Parameter, answer, model_of, number, text
from opswire.cache.http.over_time import OverTime
from opswire.cache.http.shown import caches_shown, holders_shown, invalidation_shown
from opswire.cache.usecases.statistics import Statistics
from opswire.cache.usecases.what_to_invalidate import AssetLookup, Wish, wish_for_asset, wish_for_tags
from opswire.chassis.caching.invalidator import Invalidator
from opswire.contracts.caches_invalidated.tags import EVERYTHING
from starlette.requests import Request
from starlette.responses import Response

NAME_MAX = 256
TEXTS_MAX = {"tag": 300, "cache": NAME_MAX}
LIMIT = Parameter("limit", "At most so many keys of each cache and process.", 100, 1_000)
KEYS_PARAMETERS = (
    Parameter("tag", "Only keys that carry this tag."),
    Parameter("cache", "Only this cache."),
    LIMIT,
)


class CacheApi:
    """The handlers."""

    def __init__(
        self,
        statistics: Statistics,
        reports: HolderReports,
        invalidator: Invalidator,
        lookup: AssetLookup,
        over_time: OverTime,
    ) -> None:
        self._statistics = statistics
        self._reports = reports
        self._invalidator = invalidator
        self._lookup = lookup
        self._over_time = over_time

    async def cache_stats(self, _: Request) -> Response:
        """All caches of all processes."""
        found = StatsAnswer(
            at_ns=time.time_ns(),
            caches=caches_shown(self._statistics),
            holders=holders_shown(self._statistics.holders()),
            canary=await self._over_time.canary(),
            warm=await self._over_time.warm(),
        )
        return answer(found)

    async def cache_keys(self, request: Request) -> Response:
        """What the processes have in memory now."""
        tag, cache = (text(request.query_params.get(name, ""), name, most) for name, most in TEXTS_MAX.items())
        expected = self._statistics.living()
        told = await self._reports.ask_keys(tag, cache, number(request, LIMIT))
        keys = [
            KeyAnswer(holder_id=one.holder_id, service=one.service, **key.model_dump())
            for one in told
            for key in one.keys
        ]
        silent = sorted(expected - {one.holder_id for one in told})
        return answer(KeysAnswer(keys=keys, silent=silent, is_cut=any(one.is_cut for one in told)))

    async def invalidate_asset(self, request: Request) -> Response:
        """Everything that depends on one asset."""
        return await self._invalidated(
            await wish_for_asset(text(request.path_params["asset"], "asset", NAME_MAX), self._lookup)
        )

    async def invalidate_named(self, request: Request) -> Response:
        """What the body names."""
        return await self._invalidated(await self._wish(await model_of(request, InvalidateBody)))

    async def _wish(self, body: InvalidateBody) -> Wish:
        if body.asset:
            return await wish_for_asset(body.asset, self._lookup)
        if body.template:
            return wish_for_tags([f"template:{body.template}"], "template")
        if body.tool:
            return wish_for_tags([f"tool:{body.tool}"], "tool")
        return wish_for_tags(body.tags or [EVERYTHING])

    async def _invalidated(self, wish: Wish) -> Response:
        done = await self._invalidator.invalidate(wish.tags, wish.cause)
        return answer(invalidation_shown(done, wish.tags, wish.note))

    def operations(self) -> tuple[Operation, ...]:
        """Their part of the table."""
        return (
            Operation("GET", "/cache/stats", "All caches of all processes", self.cache_stats, StatsAnswer),
            Operation("GET", "/cache/keys", "Keys in memory", self.cache_keys, KeysAnswer, parameters=KEYS_PARAMETERS),
            Operation(
                "POST",
                "/cache/invalidate/{asset:path}",
                "No process serves what depends on this asset any longer",
                self.invalidate_asset,
                InvalidateAnswer,
                is_write=True,
            ),
            Operation(
                "POST",
                "/cache/invalidate",
                "No process serves what the body names any longer",
                self.invalidate_named,
                InvalidateAnswer,
                InvalidateBody,
                is_write=True,
            ),
        )
