"""The broker's timer for a request fell due: end the request where nobody has."""

from __future__ import annotations

import time

from opswire.chassis.delivery import Delivery
from opswire.contracts.deadline_passed import DeadlinePassed
from opswire.contracts.routes import REQUEST_FINISHED
from opswire.executor.usecases.expire import expired


class HandleDeadlinePassed:
    """Translates between the bus and the use case."""

    async def __call__(self, passed: DeadlinePassed, delivery: Delivery) -> None:
        """Publish `expired`. Nearly always the request has its outcome already, and that one stands."""
        subject = REQUEST_FINISHED.subject(**delivery.variables)
        if await delivery.sender.facts.read(subject) is None:
            await delivery.publish(REQUEST_FINISHED, expired(passed.request_id, passed.accepted_ns, time.time_ns()))
