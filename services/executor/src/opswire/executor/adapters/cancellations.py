"""Hears every wish to cancel, whichever executor takes it from the durable consumer: the run may be in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from opswire.chassis.errors import RetryableError
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import CANCELLATION_REQUESTED
from opswire.executor.usecases.proceed import Running
from opswire.executor.usecases.story import Key

ASK_EVERY_S = 2.0
ASK_SOON_S = 0.05
SOON_TIMES = 20
"""The broker passes a wish on before it has stored it: so often is it asked for soon after it was heard."""


class Cancellations:
    """One per process. What is heard is only a hint: a run is ended where the wish stands as a fact."""

    def __init__(self, running: Running, is_cancelled: Callable[[Key], Awaitable[bool]]) -> None:
        self._running = running
        self._is_cancelled = is_cancelled
        self._heard = asyncio.Event()
        self._soon = 0

    async def follow(self, client: WireClient) -> None:
        """End what was cancelled, for ever. Asks every two seconds besides: nothing is heard while we are cut off."""
        number = await client.subscribe_directly(CANCELLATION_REQUESTED.wildcard, self._hear)
        try:
            while True:
                await self.end_cancelled()
                self._soon = max(0, self._soon - 1)
                try:
                    async with asyncio.timeout(ASK_SOON_S if self._soon else ASK_EVERY_S):
                        await self._heard.wait()
                except TimeoutError:
                    continue
        finally:
            await client.unsubscribe_directly(number)

    def _hear(self, subject: str, reply: str, body: bytes, header: bytes | None) -> None:
        del reply, body, header
        variables = CANCELLATION_REQUESTED.variables(subject)
        if Key(variables["source"], variables["request_id"]) in self._running.runs:
            self._soon = SOON_TIMES
            self._heard.set()

    async def end_cancelled(self) -> None:
        """End the runs of this process whose cancellation stands, asked once. While the broker is away, none."""
        self._heard.clear()
        for key in [key for key, run in self._running.runs.items() if not run.ended.is_set()]:
            try:
                if await self._is_cancelled(key):
                    self._running.end(key)
            except RetryableError:
                return
