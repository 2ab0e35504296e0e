"""Ends overdue requests: at the broker's ticks, at start, and every so often for those that nobody scheduled."""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.sending import Sender
from opswire.contracts.routes import REQUEST_FINISHED
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.usecases.expire import expired


class OverdueEnder:
    """One per executor; every replica may do the same work, the broker lets one outcome stand."""

    def __init__(self, open_requests: OpenRequests, sender: Sender) -> None:
        self._open_requests = open_requests
        self._sender = sender
        self._lock = asyncio.Lock()

    async def end_overdue(self) -> None:
        """Publish `expired` for every open request past its deadline. Raises RetryableError."""
        async with self._lock:
            for request in await self._open_requests.overdue(time.time_ns()):
                outcome = expired(request.request_id, request.accepted_ns, time.time_ns())
                subject = REQUEST_FINISHED.subject(source=request.source, request_id=request.request_id)
                if await self._sender.send(REQUEST_FINISHED, subject, outcome):
                    get_logger().info("overdue request ended", overdue=f"{request.source}/{request.request_id}")
                self._open_requests.forget(request)

    async def sweep(self, interval_s: float) -> None:
        """End what is overdue now and every `interval_s` seconds: also requests that no tick was set for."""
        while True:
            try:
                await self.end_overdue()
            except RetryableError as error:
                get_logger().info("sweep put off", reason=str(error))
            await asyncio.sleep(interval_s)
