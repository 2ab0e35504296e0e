"""For whoever changes something: invalidates, and knows when no cache serves what was replaced."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opswire.chassis.caching.log import LEASE_S, MARGIN_S, InvalidationLog
from opswire.chassis.caching.storing import store
from opswire.chassis.errors import RetryableError
from opswire.chassis.reading import read_message
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged
from opswire.contracts.routes import CACHES_INVALIDATED, INVALIDATION_ACKNOWLEDGED

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

TAGS_PER_MESSAGE_MAX = 1_000
WAIT_S = LEASE_S + 1.5 * MARGIN_S
"""From when it was stored: the leases of then are over, and whoever acknowledges has had the time to say so."""
READ_TIMEOUT_S = 2.0


class NotInForceError(RetryableError):
    """An invalidation was stored, but whether it is in force everywhere could not be seen: repeat it."""

    code = "invalidation_not_in_force"


class Invalidator:
    """One per process. Needs no cache service to be right: without its word the lease's end is waited for."""

    def __init__(self, bus: Bus, log: InvalidationLog) -> None:
        self._bus = bus
        self._log = log
        self._subscription = 0
        self._waiting: dict[str, asyncio.Future[InvalidationAcknowledged]] = {}
        self._read: dict[str, int] = {}
        log.on_invalidated.append(self._on_invalidated)
        log.on_history.append(self._read.clear)

    async def start(self) -> None:
        """Hear acknowledgements. The log must have been started."""
        self._subscription = await self._bus.client.subscribe_directly(
            INVALIDATION_ACKNOWLEDGED.wildcard, self._on_acknowledged
        )

    async def stop(self) -> None:
        """Wait for nothing further."""
        await self._bus.client.unsubscribe_directly(self._subscription)

    async def invalidate(self, tags: Sequence[str], cause: str) -> InvalidationAcknowledged:
        """Put everything with any of `tags` out of date, everywhere, and answer when that is so.

        Normally a few milliseconds; `LEASE_S` and a margin where a holder or the cache service does not answer, and
        then `holders` is empty where nobody said who they are. Raises nats' errors, TimeoutError or OpswireError when
        the broker does not take it, NotInForceError when it lost it: the caller repeats.
        """
        begun_s = time.monotonic()
        parts = [list(tags[at : at + TAGS_PER_MESSAGE_MAX]) for at in range(0, len(tags), TAGS_PER_MESSAGE_MAX)]
        answers = [await self._invalidate(part, cause) for part in parts]
        late = {holder.holder_id: holder for answer in answers for holder in answer.late}
        took_ms = (time.monotonic() - begun_s) * 1000
        return answers[-1].model_copy(update={"late": list(late.values()), "took_ms": took_ms})

    async def _invalidate(self, tags: list[str], cause: str) -> InvalidationAcknowledged:
        message = CachesInvalidated(tags=tags, cause=cause[:256], nonce=secrets.token_hex(16), at_ns=time.time_ns())
        nonce = message.nonce
        future = self._waiting[nonce] = asyncio.get_running_loop().create_future()
        try:
            begun_s = time.monotonic()
            await store(
                self._bus, self._log.registration.service, CACHES_INVALIDATED, CACHES_INVALIDATED.template, message
            )
            try:
                return await asyncio.wait_for(future, WAIT_S)
            except TimeoutError:
                sequence = await self._in_force(nonce)
            took_ms = (time.monotonic() - begun_s) * 1000
            return InvalidationAcknowledged(
                nonce=nonce, sequence=sequence, holders=[], took_ms=took_ms, at_ns=time.time_ns()
            )
        finally:
            self._waiting.pop(nonce, None)
            self._read.pop(nonce, None)

    async def _in_force(self, nonce: str) -> int:
        """The leases of then are over. That the broker has not lost the message meanwhile is seen by having read it."""
        give_up_s = time.monotonic() + READ_TIMEOUT_S
        while time.monotonic() < give_up_s:
            sequence = self._read.get(nonce)
            if sequence is not None and self._log.inside_lease:
                return sequence
            await asyncio.sleep(MARGIN_S / 2)
        raise NotInForceError("the invalidation was not read from the log in time")

    def _on_invalidated(self, sequence: int, invalidation: CachesInvalidated) -> None:
        if invalidation.nonce in self._waiting:
            self._read[invalidation.nonce] = sequence

    def _on_acknowledged(self, subject: str, _: str, body: bytes, __: bytes | None) -> None:
        future = self._waiting.get(subject.rpartition(".")[2])
        if future is None or future.done():
            return
        acknowledged, _envelope = read_message(INVALIDATION_ACKNOWLEDGED, body, None)
        assert isinstance(acknowledged, InvalidationAcknowledged)
        future.set_result(acknowledged)
