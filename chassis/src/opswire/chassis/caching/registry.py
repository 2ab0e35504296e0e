"""Which holders may hold a read lease, as the log says: read from it at start, and followed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from opswire.chassis.caching.log import LEASE_S, MARGIN_S, InvalidationLog
from opswire.chassis.caching.storing import store
from opswire.chassis.errors import OpswireError
from opswire.chassis.logs import get_logger
from opswire.chassis.reading import read_message
from opswire.contracts.holder_changed import HolderChanged
from opswire.contracts.holder_changed.v1 import HolderState
from opswire.contracts.holder_reported import HolderReported
from opswire.contracts.routes import CHANGES, HOLDER_CHANGED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

READ_AGAIN_AFTER_S = 0.5
READ_AT_ONCE = 500


@dataclass(slots=True)
class Holder:
    """A process that caches. Times are on the monotonic clock of whoever looks; `heard_s` is 0 before any report."""

    holder_id: str
    service: str
    state: HolderState
    sequence: int
    """Of the message that says so."""
    changed_s: float
    applied: int = 0
    heard_s: float = 0.0

    @property
    def until_s(self) -> float:
        """Until when an invalidation waits for it; for one that was expelled, until the leases of then are over."""
        if self.state is HolderState.EXPELLED:
            return self.changed_s + LEASE_S + MARGIN_S
        return math.inf if self.state is HolderState.REGISTERED else 0.0


class Registry:
    """Follows registrations through the process' own log."""

    def __init__(self, bus: Bus, log: InvalidationLog) -> None:
        self._bus = bus
        self._log = log
        self._holders: dict[str, Holder] = {}
        self._reading: asyncio.Task[None] | None = None
        self._expelling: set[str] = set()
        self.is_complete = False
        """Whether every registration before `applied` is known."""
        log.on_holder_changed.append(self._hear)
        log.on_stop.append(self.end)

    def begin(self) -> None:
        """Registrations may have been missed: read them all. Those that are known stay, for they may hold leases."""
        self.is_complete = False
        for holder in self._holders.values():
            holder.sequence = 0  # what another history said of it does not outweigh what this one says
        if self._reading is not None:
            self._reading.cancel()
        if self._bus.is_connected:
            self._reading = asyncio.create_task(self._read_all(), name="holder registry")

    def end(self) -> None:
        """Read nothing further."""
        if self._reading is not None:
            self._reading.cancel()

    @property
    def holders(self) -> list[Holder]:
        """Those that an invalidation would wait for now."""
        now_s = time.monotonic()
        return [holder for holder in self._holders.values() if now_s < holder.until_s]

    def holder_ids(self) -> set[str]:
        """Their ids."""
        return {holder.holder_id for holder in self.holders}

    def waited_for_until_s(self, holder_ids: set[str]) -> float:
        """Until when any of these has to be waited for; endless for one that is registered."""
        known = (self._holders.get(holder_id) for holder_id in holder_ids)
        return max((math.inf if holder is None else holder.until_s for holder in known), default=0.0)

    def service_of(self, holder_id: str) -> str:
        """The service of a holder; a question mark where it is not known."""
        holder = self._holders.get(holder_id)
        return holder.service if holder else "?"

    def hear_from(self, report: HolderReported) -> None:
        """Keep how far a holder is, for whoever looks."""
        holder = self._holders.get(report.holder_id)
        if holder is not None:
            holder.applied, holder.heard_s = report.applied, time.monotonic()

    async def expel(self, holder_id: str, sequence: int) -> None:
        """Write that nobody waits for a holder that did not answer `sequence`. Raises what storing raises."""
        holder = self._holders.get(holder_id)
        if holder is None or holder.state is not HolderState.REGISTERED or holder.sequence > sequence:
            return
        if holder_id in self._expelling:
            return
        self._expelling.add(holder_id)
        subject = HOLDER_CHANGED.subject(holder_id=holder_id)
        message = HolderChanged(
            holder_id=holder_id, service=holder.service, state=HolderState.EXPELLED, at_ns=time.time_ns()
        )
        try:
            await store(self._bus, self._log.registration.service, HOLDER_CHANGED, subject, message)
            get_logger().warning("holder expelled", holder=holder_id, service=holder.service)
        finally:
            self._expelling.discard(holder_id)

    def _hear(self, sequence: int, change: HolderChanged) -> None:
        known = self._holders.get(change.holder_id)
        if known is not None and known.sequence >= sequence:
            return
        now_s = time.monotonic()
        holder = Holder(change.holder_id, change.service, change.state, sequence, now_s)
        if known is not None:
            holder.applied, holder.heard_s = known.applied, known.heard_s
        self._holders[change.holder_id] = holder
        gone = [own for own, other in self._holders.items() if now_s >= other.until_s]
        for own in gone[:-1_000]:
            del self._holders[own]

    async def _read_all(self) -> None:
        """Read the last word on every holder. Tried until it succeeds; meanwhile answers come with the lease's end."""
        while not self.is_complete:
            try:
                await self._read_once()
                self.is_complete = True
            except (NatsError, OpswireError, OSError) as error:
                get_logger().info("the holders are not known yet", error=str(error))
                await asyncio.sleep(READ_AGAIN_AFTER_S)

    async def _read_once(self) -> None:
        subscription = await self._bus.client.jetstream().pull_subscribe(
            HOLDER_CHANGED.wildcard,
            stream=CHANGES,
            config=ConsumerConfig(deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, ack_policy=AckPolicy.NONE),
        )
        try:
            pending = (await subscription.consumer_info()).num_pending or 0
            while pending:
                for message in await subscription.fetch(min(pending, READ_AT_ONCE), timeout=5):
                    change, _ = read_message(HOLDER_CHANGED, message.data, message.headers)
                    assert isinstance(change, HolderChanged)
                    self._hear(message.metadata.sequence.stream, change)
                    pending = message.metadata.num_pending
        finally:
            with contextlib.suppress(NatsError):  # its own error must not stand in for a cancellation
                await subscription.unsubscribe()
