"""Empties the outbox: publishes each change in order and forgets it once the broker has it.

Between commit and publish anything may die: the row is still there and goes out at the next start, with the same
message id. A change may so be published twice; never not at all.
"""

from __future__ import annotations

import asyncio

from opswire.assets.inventory.store import Inventory
from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.sending import Sender
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.routes import ASSET_CHANGED
from prometheus_client import Counter

BATCH = 256


class OutboxPublisher:
    """One per process; several processes may publish the same rows, which is harmless."""

    def __init__(self, inventory: Inventory, sender: Sender, published: Counter, poll_s: float) -> None:
        self._inventory = inventory
        self._sender = sender
        self._published = published
        self._poll_s = poll_s

    async def run(self) -> None:
        """Publish for ever: at once after a change of ours, and every `poll_s` seconds for those of others."""
        while True:
            self._inventory.changed.clear()
            try:
                published = await self.publish_batch()
            except RetryableError as error:
                get_logger().warning("changes wait for the broker", reason=str(error))
                published = 0
                await asyncio.sleep(self._poll_s)
            if published == 0:
                try:
                    await asyncio.wait_for(self._inventory.changed.wait(), self._poll_s)
                except TimeoutError:
                    continue

    async def publish_batch(self) -> int:
        """Publish what is oldest, in order; answers how many. Raises RetryableError, with all rows kept."""
        rows = await self._inventory.outbox_pending(BATCH)
        for row in rows:
            change = AssetChanged.from_bytes(row.body)
            await self._sender.send(ASSET_CHANGED, row.subject, change, message_id=row.message_id)
        if rows:
            await self._inventory.outbox_sent(row.id for row in rows)
            self._published.inc(len(rows))
        return len(rows)
