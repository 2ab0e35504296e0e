"""Whoever asked does not want it any more: what runs is ended, what waits is over."""

from __future__ import annotations

from collections.abc import Callable

from opswire.chassis.delivery import Delivery
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.routes import REQUEST_FINISHED
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.story import Key


class HandleCancellationRequested:
    """Translates between the bus and the use case."""

    def __init__(self, proceed: Callable[[], Proceed]) -> None:
        self._proceed = proceed

    async def __call__(self, _asked: CancellationRequested, delivery: Delivery) -> None:
        """Publish the outcome where nothing of the request runs, or when what ran here has been ended."""
        key = Key(delivery.variables["source"], delivery.variables["request_id"])
        proceed = self._proceed()
        proceed.running.end(key)
        outcome = await proceed(key, lambda: delivery.mark("executor"))
        if outcome is not None:
            await delivery.publish(REQUEST_FINISHED, outcome)
