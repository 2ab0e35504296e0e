"""Waiting until no cache serves what was true before a change.

The assets service publishes each change through its outbox; the cache service answers it with an invalidation whose
`cause` names asset and generation. A cache that does not hear of it serves nothing once its read lease has run out, so
the invalidation's storing and one lease are enough, whichever process is slow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nats.errors import TimeoutError as NatsTimeoutError
from opswire.cli.bus import Bus
from opswire.cli.waking import Feed
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import ASSET_CHANGED, CACHES_INVALIDATED, CHANGES
from pydantic import ValidationError

READ_LEASE_S = 0.35
WAIT_MAX_S = 30.0
QUIET_S = 1.0

Change = tuple[str, int]


@dataclass(slots=True)
class Watch:
    """What was seen on the log of changes since the watch began, and where in the log."""

    bus: Bus
    feed: Feed
    read_to: int = 0
    changed: dict[Change, int] = field(default_factory=dict)
    invalidated: set[Change] = field(default_factory=set)

    async def settled(self, expected: set[Change], timeout_s: float = WAIT_MAX_S) -> bool:
        """Wait for the invalidation of `expected`, then for one read lease.

        False when that took longer than `timeout_s`: the caches may then still answer as before.
        """
        return await self._until(lambda: expected <= self.invalidated, bool(expected), timeout_s)

    async def settled_until_now(self, timeout_s: float = WAIT_MAX_S) -> bool:
        """The same for every change, by whomever, that the log holds now."""
        last = await _last_sequence(self.bus)

        def is_complete() -> bool:
            wanted = {change for change, sequence in self.changed.items() if sequence <= last}
            return self.read_to >= last and wanted <= self.invalidated

        return await self._until(is_complete, True, timeout_s)

    async def _until(self, is_complete: Callable[[], bool], is_awaited: bool, timeout_s: float) -> bool:
        give_up = time.monotonic() + timeout_s
        while not is_complete():
            left_s = give_up - time.monotonic()
            if left_s <= 0:
                return False
            await self._read(min(left_s, QUIET_S))
        if is_awaited:
            await asyncio.sleep(READ_LEASE_S)
        return True

    async def _read(self, timeout_s: float) -> None:
        try:
            message = await self.feed.next_msg(timeout=timeout_s)
        except NatsTimeoutError:
            return
        self.read_to = message.metadata.sequence.stream
        try:
            if message.subject == CACHES_INVALIDATED.template:
                asset_id, _, generation = CachesInvalidated.from_bytes(message.data).cause[6:].rpartition("@")
                if generation.isdigit():
                    self.invalidated.add((asset_id, int(generation)))
            else:
                ASSET_CHANGED.variables(message.subject)
                change = AssetChanged.from_bytes(message.data)
                self.changed[change.asset_id, change.generation] = self.read_to
        except (ValidationError, ValueError):
            return  # another kind of change, or a newer release's: not what is waited for


@asynccontextmanager
async def watching(bus: Bus) -> AsyncIterator[Watch]:
    """Follow the log of changes from now on. Begin before the change is made."""
    last = await _last_sequence(bus)
    where = {"deliver_policy": "by_start_sequence", "opt_start_seq": last + 1}
    async with bus.following(CHANGES, "opswire.changes.v1.>", **where) as feed:
        yield Watch(bus, feed, last)


async def _last_sequence(bus: Bus) -> int:
    info = await bus.api(f"STREAM.INFO.{CHANGES}")
    return int(info.get("state", {}).get("last_seq", 0))
