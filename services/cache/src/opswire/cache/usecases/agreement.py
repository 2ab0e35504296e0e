"""Whether a cache answers what its source would, over all the processes that serve from it.

Each process compares a share of its own hits and switches its own cache off. But what is wrong in one is wrong in all:
they were filled by the same rules, and share a level. So the cache is switched off everywhere once one process found
too many wrong hits, and once too many of all processes' latest comparisons were wrong.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from opswire.cache.usecases.statistics import NEW_NS
from opswire.chassis.caching.transparency import COMPARED_MIN, WINDOW
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import CacheStatistics
from opswire.contracts.caches_invalidated.tags import FOUND_ELSEWHERE

PROCESSES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    checked: int
    wrong: int
    is_on: bool


class Agreement:
    """Hears every process. What it hears twice counts once."""

    def __init__(self, now_ns: Callable[[], int], wrong_share_max: float) -> None:
        self._now_ns = now_ns
        self._wrong_share_max = wrong_share_max
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._recent: dict[str, deque[tuple[int, int]]] = {}

    def hear(self, report: CacheStatisticsReported) -> dict[str, str]:
        """Take one report; the caches to be switched off everywhere because of it, with the reason."""
        found: dict[str, str] = {}
        for cache in report.caches:
            key = report.holder_id, cache.cache
            known = self._known.get(key) or self._first(report, cache)
            fresh = cache.checked - known.checked, cache.wrong - known.wrong
            if min(fresh) < 0:
                continue  # an older report that came late
            self._known[key] = _Known(cache.checked, cache.wrong, cache.is_on)
            self._known.move_to_end(key)
            reason = self._counted(cache.cache, *fresh)
            if known.is_on and not cache.is_on and not cache.off_reason.startswith(FOUND_ELSEWHERE):
                reason = cache.off_reason
            if reason:
                self._recent.pop(cache.cache, None)
                found[cache.cache] = reason
        while len(self._known) > PROCESSES_MAX:
            self._known.popitem(last=False)
        return found

    def _first(self, report: CacheStatisticsReported, cache: CacheStatistics) -> _Known:
        if self._now_ns() - report.started_ns > NEW_NS:
            # Running for long and new to us: whatever became of it, the others were told then, or started since.
            return _Known(cache.checked, cache.wrong, cache.is_on)
        return _Known(0, 0, cache.is_on or cache.checked > 0)

    def _counted(self, cache: str, checked: int, wrong: int) -> str:
        """Count comparisons of one process; why the cache is to be switched off, or nothing."""
        recent = self._recent.setdefault(cache, deque())
        if checked:
            recent.append((checked, wrong))
        compared = sum(one for one, _ in recent)
        while compared > WINDOW and compared - recent[0][0] >= COMPARED_MIN:
            compared -= recent.popleft()[0]
        wrongs = sum(one for _, one in recent)
        if compared >= COMPARED_MIN and wrongs > compared * self._wrong_share_max:
            return f"{wrongs} of the last {compared} recomputed hits of all processes were wrong"
        return ""
