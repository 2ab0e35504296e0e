"""Writes invalidations to the log, and counts them."""

from __future__ import annotations

from opswire.chassis.delivery import Delivery
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import CACHES_INVALIDATED
from prometheus_client import Counter


class Invalidations:
    """One per process."""

    def __init__(self, published: Counter, tags: Counter) -> None:
        self._published = published
        self._tags = tags

    async def publish(self, invalidation: CachesInvalidated, delivery: Delivery) -> None:
        """Store what the delivered change puts out of date. Raises RetryableError when the broker stays away."""
        subject = CACHES_INVALIDATED.template
        message_id = f"{subject}/{delivery.stream_sequence}/{invalidation.nonce}"
        await delivery.sender.send(CACHES_INVALIDATED, subject, invalidation, message_id=message_id)
        self._published.inc()
        self._tags.inc(len(invalidation.tags))
