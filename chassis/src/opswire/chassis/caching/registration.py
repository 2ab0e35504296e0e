"""A holder's place among those that an invalidation waits for.

A holder registers in the log of invalidations itself before it takes its first lease. The log orders it against every
invalidation: one that is stored later waits for this holder; one that was stored before is applied by it before its
first lease. It leaves when it read its own expulsion, written by whoever waited for it in vain: from then on it takes
no lease before it has registered anew. Whoever expelled it counts it out only after the leases of that moment are over.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING

from nats.errors import Error as NatsError
from opswire.chassis.caching.storing import store
from opswire.chassis.logs import get_logger
from opswire.contracts.holder_changed import HolderChanged
from opswire.contracts.holder_changed.v1 import HolderState
from opswire.contracts.routes import HOLDER_CHANGED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus


class Registration:
    """One process' registration. A new id at every start: two lives of a process are never taken for one."""

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self.service = service
        self.holder_id = f"{re.sub('[^a-z0-9-]', '-', service.lower())[:40]}-{secrets.token_hex(6)}"
        self._sequence = 0
        self._ended_at = 0

    @property
    def is_registered(self) -> bool:
        """Whether the log says that an invalidation waits for us."""
        return self._sequence > 0

    async def register(self) -> None:
        """Write our registration. Raises nats' errors, TimeoutError or OpswireError; then we are not registered."""
        sequence = await store(
            self._bus, self.service, HOLDER_CHANGED, self._subject, self._message(HolderState.REGISTERED)
        )
        # Our expulsion from this very place may have been read before the broker's answer was.
        self._sequence = sequence if sequence > self._ended_at else 0

    def forget(self) -> None:
        """The log that held our registration is not the one we follow any longer."""
        self._sequence = self._ended_at = 0

    def leave(self) -> None:
        """Say that our lease was given up for good. It may be lost: we are expelled then, in time."""
        if not self.is_registered:
            return
        self._sequence = 0
        try:
            body = self._message(HolderState.LEFT).to_bytes()
            self._bus.client.publish_now(self._subject, "", b"", body)
        except NatsError as error:
            get_logger().debug("left without a word", error=str(error))

    def hear(self, sequence: int, change: HolderChanged) -> bool:
        """Whether a message of the log ends our registration."""
        if change.holder_id != self.holder_id or change.state is HolderState.REGISTERED:
            return False
        self._ended_at = max(self._ended_at, sequence)
        if self._sequence > sequence:
            return False
        get_logger().warning("expelled: an invalidation waited for us in vain; registering anew")
        self._sequence = 0
        return True

    @property
    def _subject(self) -> str:
        return HOLDER_CHANGED.subject(holder_id=self.holder_id)

    def _message(self, state: HolderState) -> HolderChanged:
        return HolderChanged(holder_id=self.holder_id, service=self.service, state=state, at_ns=time.time_ns())
