"""The broker's own clock for deadlines: one scheduled message for each second in which a request must be over.

It fires whatever happens to us. One tick serves all requests that are due in its second: a timer for every request
would cost two more durable writes and one more delivery each.
"""

from __future__ import annotations

import asyncio

from opswire.chassis.sending import Sender
from opswire.contracts.envelope import rfc3339
from opswire.contracts.routes import DEADLINES_DUE, schedule_subject

SECOND_NS = 1_000_000_000
REMEMBERED_MAX = 10_000


class DeadlineTicks:
    """Remembers which seconds it has scheduled. A tick scheduled twice is one tick."""

    def __init__(self) -> None:
        self._scheduled: dict[int, asyncio.Task[None]] = {}

    async def ensure(self, sender: Sender, deadline_ns: int) -> None:
        """Have the broker tick at the first full second not before the deadline. Raises RetryableError."""
        due_s = -(-deadline_ns // SECOND_NS)
        task = self._scheduled.get(due_s)
        if task is None:
            if len(self._scheduled) >= REMEMBERED_MAX:
                self._scheduled.clear()
            task = self._scheduled[due_s] = asyncio.create_task(self._schedule(sender, due_s))
        elif task.done() and task.exception() is None:
            return
        try:
            await asyncio.shield(task)
        except Exception:
            if self._scheduled.get(due_s) is task:
                del self._scheduled[due_s]
            raise

    async def _schedule(self, sender: Sender, due_s: int) -> None:
        timing = {
            "Nats-Schedule": f"@at {rfc3339(due_s * SECOND_NS)}",
            "Nats-Schedule-Target": DEADLINES_DUE.subject(due_s=str(due_s)),
        }
        await sender.send(
            DEADLINES_DUE, schedule_subject(due_s), DEADLINES_DUE.message(due_s=due_s), extra_headers=timing
        )
