"""Ends overdue requests: at the broker's ticks, at start, and every so often for those that nobody scheduled."""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.sending import Sender
from opswire.contracts.findings import Mark
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.routes import REQUEST_FINISHED
from opswire.executor.adapters.open_requests import OpenRequest, OpenRequests
from opswire.executor.usecases.expire import expired
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.story import Key


class OverdueEnder:
    """One per executor; every replica may do the same work, the broker lets one outcome stand."""

    def __init__(self, open_requests: OpenRequests, sender: Sender, proceed: Proceed) -> None:
        self._proceed = proceed
        self._open_requests = open_requests
        self._sender = sender
        self._lock = asyncio.Lock()

    async def end_overdue(self) -> None:
        """Publish `expired` for every open request past its deadline. Raises RetryableError."""
        async with self._lock:
            for request in await self._open_requests.overdue(time.time_ns()):
                key = Key(request.source, request.request_id)
                outcome = await self._outcome(key, request)
                if outcome is None:
                    continue  # it is being ended elsewhere; the next tick or sweep looks again
                subject = REQUEST_FINISHED.subject(source=request.source, request_id=request.request_id)
                if await self._sender.send(REQUEST_FINISHED, subject, outcome):
                    get_logger().info("overdue request ended", overdue=str(key), status=outcome.status.value)
                self._open_requests.forget(request)

    async def _outcome(self, key: Key, request: OpenRequest) -> RequestFinished | None:
        now_ns = time.time_ns()
        mark = Mark(service="executor", received_ns=now_ns, sent_ns=now_ns)
        if await self._proceed.has_nothing_to_settle(key):
            return expired(request.request_id, request.accepted_ns, time.time_ns())
        return await self._proceed.when_overdue(key, lambda: mark)

    async def sweep(self, interval_s: float) -> None:
        """End what is overdue now and every `interval_s` seconds: also requests that no tick was set for."""
        while True:
            try:
                await self.end_overdue()
            except RetryableError as error:
                get_logger().info("sweep put off", reason=str(error))
            await asyncio.sleep(interval_s)
