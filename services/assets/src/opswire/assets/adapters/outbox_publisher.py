"""Empties the outbox: publishes each change and forgets it once the broker has it.

Between commit and publish anything may die: the row is still there and goes out at the next start, with the same
message id. A change may so be published twice; never not at all. Changes by hand go first; those of an import go out in
small bundles with a pause as long as the bundle took, so that the broker's disk is at most half taken by them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Sequence

from opswire.assets.inventory.store import Inventory
from opswire.assets.records import OutboxRow
from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.publisher import PublishRefusedError
from opswire.chassis.sending import Sender
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.message_parked import MessageParked
from opswire.contracts.routes import ASSET_CHANGED, CHANGES, MESSAGE_PARKED
from prometheus_client import Counter

BUNDLE = 32
"""So many messages are under way at once: whoever else publishes waits behind no more than these."""
PARKED_BODY_BYTES_MAX = 256 * 1024


class OutboxPublisher:
    """One per process; several processes may publish the same rows, which is harmless."""

    def __init__(self, inventory: Inventory, sender: Sender, published: Counter, poll_s: float) -> None:
        self._inventory = inventory
        self._sender = sender
        self._published = published
        self._poll_s = poll_s

    async def run(self) -> None:
        """Publish for ever: at once after a change that is heard of, and every `poll_s` seconds for all others."""
        while True:
            self._inventory.changed.clear()
            try:
                pause_s = await self._publish_and_rest()
            except RetryableError as error:
                get_logger().warning("changes wait for the broker", reason=str(error))
                await asyncio.sleep(self._poll_s)
                continue
            try:
                await asyncio.wait_for(self._inventory.changed.wait(), pause_s)
            except TimeoutError:
                continue

    async def publish_batch(self) -> int:
        """Publish what is next; answers how many rows left the outbox. Raises RetryableError; the rest stays."""
        return len(await self._publish(await self._inventory.outbox_pending(BUNDLE)))

    async def _publish_and_rest(self) -> float:
        """Publish one bundle; answers for how long to rest, in seconds, unless a change by hand comes."""
        began = time.monotonic()
        rows = await self._publish(await self._inventory.outbox_pending(BUNDLE))
        if not rows:
            return self._poll_s
        return time.monotonic() - began if all(row.bulk for row in rows) else 0.0

    async def _publish(self, rows: Sequence[OutboxRow]) -> Sequence[OutboxRow]:
        # Each task writes to the one connection as soon as it begins, so the broker has them in the order of the rows.
        outcomes = await asyncio.gather(*map(self._send, rows), return_exceptions=True)
        done = [row for row, outcome in zip(rows, outcomes, strict=True) if outcome is None]
        if done:
            await self._inventory.outbox_sent(row.id for row in done)
            self._published.inc(len(done))
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return done

    async def _send(self, row: OutboxRow) -> None:
        """Publish one row, or park what can never be published. Raises RetryableError."""
        try:
            change = AssetChanged.from_bytes(row.body)
        except ValueError as error:
            await self._park(row, "unreadable_change", f"a change that cannot be read: {error}")
            # Nobody else would hear that the asset changed: what it is now is told instead.
            await self._inventory.outbox_unreadable(row)
            return
        try:
            await self._sender.send(ASSET_CHANGED, row.subject, change, message_id=row.message_id)
        except PublishRefusedError as error:
            await self._park(row, error.code, str(error))

    async def _park(self, row: OutboxRow, code: str, detail: str) -> None:
        """Keep a row's bytes and the reason where `opswire parked` shows them."""
        parked_id = hashlib.sha256(row.message_id.encode()).hexdigest()[:24]
        kept = row.body[:PARKED_BODY_BYTES_MAX]
        record = MessageParked(
            parked_id=parked_id,
            service="assets",
            stream=CHANGES,
            stream_sequence=row.id,
            consumer="assets-outbox",
            subject=row.subject[:1_000],
            code=code,
            detail=detail[:2_000],
            delivery_attempts=1,
            headers={"Nats-Msg-Id": row.message_id},
            body_base64=base64.b64encode(kept).decode(),
            parked_ns=time.time_ns(),
        )
        await self._sender.send(MESSAGE_PARKED, MESSAGE_PARKED.subject(service="assets", parked_id=parked_id), record)
        get_logger().error("a change was parked", parked_id=parked_id, code=code, subject=row.subject)
