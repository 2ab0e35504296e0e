"""Documents, the policy or tools changed: tell every cache."""

from __future__ import annotations

from opswire.cache.adapters.invalidations import Invalidations
from opswire.cache.usecases.invalidate_for_change import invalidation_for_basis
from opswire.chassis.delivery import Delivery
from opswire.contracts.basis_changed import BasisChanged


class HandleBasisChanged:
    """Translates between the bus and the use case."""

    def __init__(self, invalidations: Invalidations) -> None:
        self._invalidations = invalidations

    async def __call__(self, change: BasisChanged, delivery: Delivery) -> None:
        """Publish the invalidation. A change delivered twice invalidates twice, which is harmless."""
        await self._invalidations.publish(invalidation_for_basis(change), delivery)
