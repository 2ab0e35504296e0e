"""Whether an endpoint is there, asked at most once in 30 seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from opswire.chassis.errors import OpswireError

KEPT_S = 30.0
CHECK_TIMEOUT_S = 2.0


class Health:
    """The last answer about one endpoint. Askers at the same time share one check."""

    def __init__(self, check: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._clock = clock
        self._asked_at: float | None = None
        self._problem: str | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """`ok`, `unknown` before the first check, or a sentence that says what is wrong."""
        if self._asked_at is None:
            return "unknown"
        return self._problem or "ok"

    @property
    def age_s(self) -> float | None:
        """How old the answer is."""
        return None if self._asked_at is None else self._clock() - self._asked_at

    async def is_well(self) -> bool:
        """Whether it is there; never raises."""
        age_s = self.age_s
        if age_s is None or age_s >= KEPT_S:
            if self._running is None:
                self._running = asyncio.create_task(self._ask(), name="model health")
                self._running.add_done_callback(self._asked)
            await asyncio.wait([self._running])  # an asker that is cancelled leaves the check to the others
        return self._asked_at is not None and self._problem is None

    async def close(self) -> None:
        """End a check that is under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def answered(self) -> None:
        """A call was answered: it is there."""
        self._problem = None
        self._asked_at = self._clock()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._check()
            self._problem = None
        except TimeoutError:
            self._problem = f"no answer within {CHECK_TIMEOUT_S:g} s"
        except OpswireError as error:
            self._problem = str(error)
        self._asked_at = self._clock()

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._running = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._problem, self._asked_at = f"the check failed: {type(error).__name__}", self._clock()
