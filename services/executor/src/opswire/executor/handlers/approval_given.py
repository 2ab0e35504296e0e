"""A person gave a word on a plan: the request goes on where that was enough."""

from __future__ import annotations

from collections.abc import Callable

from opswire.chassis.delivery import Delivery
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.routes import REQUEST_FINISHED
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.story import Key


class HandleApprovalGiven:
    """Translates between the bus and the use case. A word that does not count ends nothing."""

    def __init__(self, proceed: Callable[[], Proceed]) -> None:
        self._proceed = proceed

    async def __call__(self, _given: ApprovalGiven, delivery: Delivery) -> None:
        """Publish the outcome where the request has come to its end."""
        key = Key(delivery.variables["source"], delivery.variables["request_id"])
        outcome = await self._proceed()(key, lambda: delivery.mark("executor"))
        if outcome is not None:
            await delivery.publish(REQUEST_FINISHED, outcome)
