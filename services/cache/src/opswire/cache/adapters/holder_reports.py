"""What the processes that cache say of themselves, heard on the bus; and asking them for their keys."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from opswire.cache.usecases.statistics import Statistics
from opswire.chassis.body import read_body
from opswire.chassis.errors import PoisonError
from opswire.chassis.logs import get_logger
from opswire.chassis.sending import Sender
from opswire.chassis.wire import WireClient
from opswire.contracts.cache_keys_asked import CacheKeysAsked
from opswire.contracts.cache_keys_told import CacheKeysTold
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.routes import CACHE_KEYS_ASKED, CACHE_KEYS_TOLD, CACHE_STATISTICS_REPORTED
from pydantic import ValidationError

ANSWER_TIMEOUT_S = 1.0


class HolderReports:
    """One per process, started after the connection."""

    def __init__(
        self,
        client: WireClient,
        sender: Sender,
        statistics: Statistics,
        on_report: Callable[[CacheStatisticsReported], None],
    ) -> None:
        self._client = client
        self._sender = sender
        self._statistics = statistics
        self._on_report = on_report
        self._subscription: int | None = None

    async def start(self) -> None:
        """Listen to the statistics of every process."""
        self._subscription = await self._client.subscribe_directly(
            CACHE_STATISTICS_REPORTED.wildcard, self._on_statistics
        )

    async def stop(self) -> None:
        """Listen no longer."""
        if self._subscription is not None:
            await self._client.unsubscribe_directly(self._subscription)

    def _on_statistics(self, subject: str, _: str, body: bytes, __: bytes | None) -> None:
        try:
            read_body(body)
            report = CacheStatisticsReported.from_bytes(body)
        except (PoisonError, ValidationError) as error:
            get_logger().warning("unreadable statistics", subject=subject, error=type(error).__name__)
            return
        self._statistics.hear(report)
        self._on_report(report)

    async def ask_keys(self, tag: str, cache: str, limit: int) -> list[CacheKeysTold]:
        """The keys that each living process has in memory; who does not answer within a second is missing."""
        query = CacheKeysAsked(query_id=secrets.token_hex(16), tag=tag, cache=cache, limit=limit)
        told: dict[str, CacheKeysTold] = {}
        complete = asyncio.Event()
        expected = self._statistics.living()

        def on_told(subject: str, _: str, body: bytes, __: bytes | None) -> None:
            try:
                read_body(body)
                answer = CacheKeysTold.from_bytes(body)
            except (PoisonError, ValidationError) as error:
                get_logger().warning("unreadable keys", subject=subject, error=type(error).__name__)
                return
            told[answer.holder_id] = answer
            if expected and expected <= set(told):
                complete.set()

        number = await self._client.subscribe_directly(CACHE_KEYS_TOLD.subject(query_id=query.query_id), on_told)
        try:
            await self._sender.mention(CACHE_KEYS_ASKED.template, query)
            await asyncio.wait((asyncio.ensure_future(complete.wait()),), timeout=ANSWER_TIMEOUT_S)
        finally:
            complete.set()
            await self._client.unsubscribe_directly(number)
        return sorted(told.values(), key=lambda one: (one.service, one.holder_id))
