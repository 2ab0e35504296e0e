"""Tells the cache service what this process' caches did and hold, and which keys, when it asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nats.errors import Error as NatsError
from opswire.chassis.caching.registration import Registration
from opswire.chassis.logs import get_logger
from opswire.chassis.reading import read_message
from opswire.contracts.cache_keys_asked import CacheKeysAsked
from opswire.contracts.cache_keys_told import CacheKeysTold
from opswire.contracts.cache_keys_told.v1 import CachedKey
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import CACHES_MAX, CacheStatistics
from opswire.contracts.message import Message
from opswire.contracts.routes import CACHE_KEYS_ASKED, CACHE_KEYS_TOLD, CACHE_STATISTICS_REPORTED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

TELL_EVERY_S = 1.0
ANSWER_BYTES_MAX = 200_000
"""In characters, which may be several bytes each: well below what the broker takes."""
KEY_OVERHEAD_BYTES = 128
Place = Callable[[], tuple[int, bool]]
"""The last sequence applied, and whether the lease runs."""


class Telling(Protocol):
    """A cache, as far as it is told about."""

    name: str

    @property
    def is_shared_away(self) -> bool:
        """Whether there is a shared level that did not answer lately."""

    def statistics(self) -> CacheStatistics:
        """What it did and holds."""

    def keys(self, tag: str, limit: int) -> list[CachedKey]:
        """Which keys it has in memory."""

    def sample(self) -> None:
        """Choose hits to compare with their source."""


class Teller:
    """Core messages: a lost one is made up for by the next."""

    def __init__(self, bus: Bus, registration: Registration, caches: Callable[[], list[Telling]], place: Place) -> None:
        self._bus = bus
        self._registration = registration
        self._caches = caches
        self._place = place
        self._started_ns = time.time_ns()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell every second, and answer questions. Raises nats' errors."""
        await self._bus.client.subscribe_directly(CACHE_KEYS_ASKED.template, self._on_asked)
        self._task = asyncio.create_task(self._tell(), name="cache statistics")

    def stop(self) -> None:
        """Tell nothing further."""
        if self._task is not None:
            self._task.cancel()

    def report(self) -> CacheStatisticsReported:
        """What would be told now."""
        caches = self._caches()
        applied, inside_lease = self._place()
        return CacheStatisticsReported(
            holder_id=self._registration.holder_id,
            service=self._registration.service,
            started_ns=self._started_ns,
            applied=applied,
            inside_lease=inside_lease,
            is_shared_away=any(cache.is_shared_away for cache in caches),
            caches=[cache.statistics() for cache in caches[:CACHES_MAX]],
            at_ns=time.time_ns(),
        )

    async def _tell(self) -> None:
        subject = CACHE_STATISTICS_REPORTED.subject(holder_id=self._registration.holder_id)
        while True:
            for cache in self._caches():
                cache.sample()
            self._send(subject, self.report())
            await asyncio.sleep(TELL_EVERY_S)

    def _on_asked(self, _: str, __: str, body: bytes, ___: bytes | None) -> None:
        asked, _envelope = read_message(CACHE_KEYS_ASKED, body, None)
        assert isinstance(asked, CacheKeysAsked)
        caches = [cache for cache in self._caches() if asked.cache in ("", cache.name)]
        found = [key for cache in caches for key in cache.keys(asked.tag, asked.limit + 1)]
        shown = found[: asked.limit]
        while sum(len(key.key) + sum(map(len, key.tags)) + KEY_OVERHEAD_BYTES for key in shown) > ANSWER_BYTES_MAX:
            shown = shown[: len(shown) // 2]
        told = CacheKeysTold(
            query_id=asked.query_id,
            holder_id=self._registration.holder_id,
            service=self._registration.service,
            keys=shown,
            is_cut=len(found) > len(shown),
        )
        self._send(CACHE_KEYS_TOLD.subject(query_id=asked.query_id), told)

    def _send(self, subject: str, message: Message) -> None:
        try:
            self._bus.client.publish_now(subject, "", b"", message.to_bytes())
        except NatsError as error:
            get_logger().debug("not told", subject=subject, error=type(error).__name__)
