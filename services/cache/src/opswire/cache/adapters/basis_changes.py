"""Says on the bus that something changed that answers rest on, for those who have no service of their own to say it."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.cache.adapters.acknowledged import AcknowledgedCauses
from opswire.cache.errors import NotAcknowledgedError
from opswire.cache.usecases.invalidate_for_change import cause_of_basis
from opswire.chassis.caching.basis import tell_basis_changed
from opswire.chassis.sending import Sender
from opswire.contracts.basis_changed import BasisChanged, BasisKind
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged

ACKNOWLEDGED_WITHIN_S = 5.0


class BasisChanges:
    """One per process."""

    def __init__(self, sender: Sender, acknowledged: AcknowledgedCauses) -> None:
        self._sender = sender
        self._acknowledged = acknowledged

    async def tell(
        self, kind: BasisKind, names: Sequence[str], version: str
    ) -> tuple[BasisChanged, InvalidationAcknowledged]:
        """Store the change; answers once no process serves what stood on the old state.

        `names` are as many as one message takes. Raises NotAcknowledgedError when it is stored and not in force yet,
        and RetryableError when the broker does not take it.
        """
        (change,) = await tell_basis_changed(self._sender, kind, names, version)
        done = await self._acknowledged.of(cause_of_basis(change), ACKNOWLEDGED_WITHIN_S)
        if done is None:
            raise NotAcknowledgedError(
                f"the change is stored and was not in force everywhere within {ACKNOWLEDGED_WITHIN_S:g} s; say it again"
            )
        return change, done
