"""Switches caches off in all processes, by a word in the log."""

from __future__ import annotations

import asyncio

from nats.errors import Error as NatsError
from opswire.cache.usecases.agreement import Agreement
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.errors import OpswireError
from opswire.chassis.logs import get_logger
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.caches_invalidated.tags import off_tag

AGAIN_AFTER_S = 1.0


class Switches:
    """One per process. Every cache service says it, so that none is needed: what is off already stays as it is."""

    def __init__(self, agreement: Agreement, invalidator: Invalidator) -> None:
        self._agreement = agreement
        self._invalidator = invalidator
        self._due: dict[str, str] = {}
        self._is_due = asyncio.Event()

    def hear(self, report: CacheStatisticsReported) -> None:
        """Take one process' report."""
        self._due |= self._agreement.hear(report)
        if self._due:
            self._is_due.set()

    async def run(self) -> None:
        """Say what is due, for ever; again where the broker did not take it."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            for cache, reason in list(self._due.items()):
                try:
                    done = await self._invalidator.invalidate([off_tag(cache)], reason)
                except (NatsError, OpswireError, OSError, TimeoutError) as error:
                    get_logger().warning("a cache is not switched off everywhere yet", cache=cache, error=str(error))
                    await asyncio.sleep(AGAIN_AFTER_S)
                    self._is_due.set()
                    continue
                self._due.pop(cache, None)
                late = [holder.holder_id for holder in done.late]
                get_logger().error("cache switched off in every process", cache=cache, reason=reason, late=late)
