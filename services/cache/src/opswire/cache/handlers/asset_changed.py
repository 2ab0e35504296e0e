"""An asset changed: tell every cache."""

from __future__ import annotations

from opswire.cache.adapters.invalidations import Invalidations
from opswire.cache.usecases.invalidate_for_change import invalidation_for
from opswire.chassis.delivery import Delivery
from opswire.contracts.asset_changed import AssetChanged


class HandleAssetChanged:
    """Translates between the bus and the use case."""

    def __init__(self, invalidations: Invalidations) -> None:
        self._invalidations = invalidations

    async def __call__(self, change: AssetChanged, delivery: Delivery) -> None:
        """Publish the invalidation. A change delivered twice invalidates twice, which is harmless."""
        await self._invalidations.publish(invalidation_for(change), delivery)
