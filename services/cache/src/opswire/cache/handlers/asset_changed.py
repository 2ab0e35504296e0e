"""An asset changed: tell every cache."""

from __future__ import annotations

from opswire.cache.usecases.invalidate_for_change import invalidation_for
from opswire.chassis.delivery import Delivery
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.routes import CACHES_INVALIDATED
from prometheus_client import Counter


class HandleAssetChanged:
    """Translates between the bus and the use case, and counts."""

    def __init__(self, published: Counter, tags: Counter) -> None:
        self._published = published
        self._tags = tags

    async def __call__(self, change: AssetChanged, delivery: Delivery) -> None:
        """Publish the invalidation. A change delivered twice invalidates twice, which is harmless."""
        invalidation = invalidation_for(change)
        subject = CACHES_INVALIDATED.template
        message_id = f"{subject}/{delivery.stream_sequence}/{invalidation.nonce}"
        await delivery.sender.send(CACHES_INVALIDATED, subject, invalidation, message_id=message_id)
        self._published.inc()
        self._tags.inc(len(invalidation.tags))
