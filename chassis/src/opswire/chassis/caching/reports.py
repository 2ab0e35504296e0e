"""Tells, batched, which invalidations this holder has applied."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from nats.errors import Error as NatsError
from opswire.chassis.caching.registration import Registration
from opswire.chassis.logs import get_logger
from opswire.contracts.holder_reported import HolderReported
from opswire.contracts.holder_reported.v1 import NONCES_MAX
from opswire.contracts.routes import HOLDER_REPORTED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

REPORT_AFTER_S = 0.002
KEPT_MAX = 4 * NONCES_MAX
"""Nonces kept while the broker is away. What is lost beyond is acknowledged by the lease's end."""


class Reports:
    """Core messages without an answer: a lost one costs a wait, never a stale read."""

    def __init__(self, bus: Bus, registration: Registration) -> None:
        self._bus = bus
        self._registration = registration
        self._nonces: deque[str] = deque(maxlen=KEPT_MAX)
        self._applied = 0
        self._timer: asyncio.TimerHandle | None = None

    def applied(self, sequence: int, nonce: str) -> None:
        """A message was applied and nothing that it replaced is served any longer; an invalidation has a nonce."""
        self._applied = sequence
        if not nonce:
            return
        self._nonces.append(nonce)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_AFTER_S, self._flush)

    def stop(self) -> None:
        """Report no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        self._timer = None
        while self._nonces:
            batch = [self._nonces.popleft() for _ in range(min(len(self._nonces), NONCES_MAX))]
            report = HolderReported(
                holder_id=self._registration.holder_id,
                service=self._registration.service,
                applied=self._applied,
                nonces=batch,
                at_ns=time.time_ns(),
            )
            try:
                self._bus.client.publish_now(HOLDER_REPORTED.template, "", b"", report.to_bytes())
            except NatsError as error:
                # Told with the next one; whoever waits in vain meanwhile waits for our lease's end.
                get_logger().debug("a report was not sent", error=str(error))
                self._nonces.extendleft(reversed(batch))
                return
