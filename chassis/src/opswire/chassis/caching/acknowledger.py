"""Says when an invalidation is in force everywhere: no read that begins from then on answers what it replaced.

Runs in the cache service, beside that process' own log. Every invalidation of the log is waited for: until each holder
that was registered before it has reported its nonce, or, when one does not, until `LEASE_S` plus a margin have passed
since it was read here, which is later than it was stored: by then that holder's lease is over. Holders that were late
are expelled, by a message in the log, so that the next invalidation need not wait for the dead.

Why this is sound. A holder registers in the log before its first lease, and takes a lease only with the log's tail
applied. So a holder that registered after an invalidation has applied it, and one before it is known here once the
invalidation is read. An expelled one reads so before it renews its lease; it is waited for until the leases of that
moment are over. Where messages may have been missed (at start, after a gap or a roll-back), the registry is read anew
and nothing is answered before a lease's time has passed. Reports name nonces: after a roll-back sequences come again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nats.errors import Error as NatsError
from opswire.chassis.caching.log import LEASE_S, MARGIN_S, InvalidationLog
from opswire.chassis.caching.registry import Registry
from opswire.chassis.errors import OpswireError
from opswire.chassis.logs import get_logger
from opswire.chassis.reading import read_message
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.holder_reported import HolderReported
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged
from opswire.contracts.invalidation_acknowledged.v1 import HOLDERS_MAX, HolderName
from opswire.contracts.routes import HOLDER_REPORTED, INVALIDATION_ACKNOWLEDGED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

REMEMBERED_MAX = 10_000
"""Acknowledgements, and reports of invalidations that were not read here yet."""
OnAcknowledged = Callable[[CachesInvalidated, InvalidationAcknowledged], None]


@dataclass(slots=True)
class _Waiting:
    sequence: int
    invalidation: CachesInvalidated
    holders: set[str]
    read_s: float
    reported: set[str] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None


class Acknowledger:
    """One in each cache service. Make it before the log is started; `start` when the log has."""

    def __init__(self, bus: Bus, log: InvalidationLog) -> None:
        self._bus = bus
        self._log = log
        self._subscription = 0
        self._waiting: dict[str, _Waiting] = {}
        self._early: OrderedDict[str, set[str]] = OrderedDict()
        self._done: OrderedDict[str, InvalidationAcknowledged] = OrderedDict()
        self._futures: dict[str, asyncio.Future[InvalidationAcknowledged]] = {}
        self._trusted_from_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.registry = Registry(bus, log)
        self.on_acknowledged: list[OnAcknowledged] = []
        """Called with every acknowledgement, e.g. to keep a history or to measure."""
        log.on_history.append(self._begin)
        log.on_invalidated.append(self._wait_for_holders)
        self._begin()

    async def start(self) -> None:
        """Hear the holders' reports. After this, every invalidation is acknowledged on the bus."""
        self._subscription = await self._bus.client.subscribe_directly(HOLDER_REPORTED.template, self._on_report)
        self._begin()

    async def stop(self) -> None:
        """Acknowledge nothing further. Whoever waits for it waits for the lease's end instead."""
        await self._bus.client.unsubscribe_directly(self._subscription)
        for task in self._tasks:
            task.cancel()
        for waiting in self._waiting.values():
            if waiting.timer is not None:
                waiting.timer.cancel()
        for future in self._futures.values():
            future.cancel()

    async def acknowledgement(self, nonce: str) -> InvalidationAcknowledged:
        """The acknowledgement of an invalidation that was or will be stored; who calls bounds how long to wait."""
        done = self._done.get(nonce)
        if done is not None:
            return done
        future = self._futures.get(nonce)
        if future is None:
            future = self._futures[nonce] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(future)

    def _begin(self) -> None:
        """Messages may have been missed: who may hold a lease is not known until the leases of now are over.

        What is waited for may be in another history, so it is not spoken of: whoever asked waits for the lease's end.
        """
        self._trusted_from_s = time.monotonic() + LEASE_S + MARGIN_S
        for waiting in self._waiting.values():
            if waiting.timer is not None:
                waiting.timer.cancel()
        self._waiting.clear()
        self._early.clear()
        self.registry.begin()

    def _wait_for_holders(self, sequence: int, invalidation: CachesInvalidated) -> None:
        nonce = invalidation.nonce
        reported = self._early.pop(nonce, set())
        self._waiting[nonce] = _Waiting(sequence, invalidation, self.registry.holder_ids(), time.monotonic(), reported)
        # Not at once: those who were told first (this process itself) are still inside their own callbacks.
        asyncio.get_running_loop().call_soon(self._settle, nonce)

    def _on_report(self, _: str, __: str, body: bytes, ___: bytes | None) -> None:
        report, _envelope = read_message(HOLDER_REPORTED, body, None)
        assert isinstance(report, HolderReported)
        self.registry.hear_from(report)
        for nonce in report.nonces:
            waiting = self._waiting.get(nonce)
            if waiting is None:
                if nonce not in self._done:
                    self._early.setdefault(nonce, set()).add(report.holder_id)
                    _bound(self._early)
            else:
                waiting.reported.add(report.holder_id)
                self._settle(nonce)

    def _settle(self, nonce: str) -> None:
        """Acknowledge when nobody is waited for any longer, or when the leases of then are over."""
        waiting = self._waiting.get(nonce)
        if waiting is None:
            return
        if waiting.timer is not None:
            waiting.timer.cancel()
        now_s = time.monotonic()
        missing = waiting.holders - waiting.reported
        due_s = waiting.read_s + LEASE_S + MARGIN_S
        if self.registry.is_complete:
            due_s = min(due_s, max(self._trusted_from_s, self.registry.waited_for_until_s(missing)))
        if now_s < due_s:
            waiting.timer = asyncio.get_running_loop().call_later(due_s - now_s, self._settle, nonce)
            return
        del self._waiting[nonce]
        self._acknowledge(waiting, missing, (now_s - waiting.read_s) * 1000)

    def _acknowledge(self, waiting: _Waiting, missing: set[str], took_ms: float) -> None:
        acknowledged = InvalidationAcknowledged(
            nonce=waiting.invalidation.nonce,
            sequence=waiting.sequence,
            holders=self._names(waiting.holders),
            late=self._names(missing),
            took_ms=took_ms,
            at_ns=time.time_ns(),
        )
        self._done[acknowledged.nonce] = acknowledged
        _bound(self._done)
        future = self._futures.pop(acknowledged.nonce, None)
        if future is not None and not future.done():
            future.set_result(acknowledged)
        for holder_id in missing:
            task = asyncio.create_task(self._expel(holder_id, waiting.sequence))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._tell(acknowledged)
        for callback in self.on_acknowledged:
            callback(waiting.invalidation, acknowledged)

    def _tell(self, acknowledged: InvalidationAcknowledged) -> None:
        subject = INVALIDATION_ACKNOWLEDGED.subject(nonce=acknowledged.nonce)
        try:
            self._bus.client.publish_now(subject, "", b"", acknowledged.to_bytes())
        except NatsError as error:
            # Whoever waits knows the lease's end as well.
            get_logger().debug("an acknowledgement was not sent", error=str(error))

    async def _expel(self, holder_id: str, sequence: int) -> None:
        try:
            await self.registry.expel(holder_id, sequence)
        except (NatsError, OpswireError, OSError) as error:
            get_logger().info("a holder that is late could not be expelled yet", holder=holder_id, error=str(error))

    def _names(self, holder_ids: set[str]) -> list[HolderName]:
        known = sorted(holder_ids)[:HOLDERS_MAX]
        return [HolderName(holder_id=holder_id, service=self.registry.service_of(holder_id)) for holder_id in known]


def _bound(remembered: OrderedDict[str, Any]) -> None:
    while len(remembered) > REMEMBERED_MAX:
        remembered.popitem(last=False)
