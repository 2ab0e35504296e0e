"""The broker's own timer for a request: it fires whatever happens to us (a scheduled message, NATS 2.12 and later)."""

from __future__ import annotations

from opswire.chassis.delivery import Delivery
from opswire.contracts.deadline_passed import DeadlinePassed
from opswire.contracts.envelope import rfc3339
from opswire.contracts.routes import DEADLINE_PASSED, schedule_subject


async def schedule_deadline(delivery: Delivery, request_id: str, deadline_ns: int) -> None:
    """Have the broker send `deadline_passed` at the deadline. Repeating it replaces it. Raises RetryableError."""
    variables = delivery.variables
    await delivery.sender.send(
        DEADLINE_PASSED,
        schedule_subject(variables["source"], variables["request_id"]),
        DeadlinePassed(request_id=request_id, accepted_ns=delivery.stored_ns, deadline_ns=deadline_ns),
        extra_headers={
            "Nats-Schedule": f"@at {rfc3339(deadline_ns)}",
            "Nats-Schedule-Target": DEADLINE_PASSED.subject(**variables),
        },
    )
