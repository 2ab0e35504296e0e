"""The broker's tick: deadlines fell due in this second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from opswire.chassis.delivery import Delivery
from opswire.contracts.deadlines_due import DeadlinesDue


class HandleDeadlinesDue:
    """Translates between the bus and the use case."""

    def __init__(self, end_overdue: Callable[[], Awaitable[None]]) -> None:
        self._end_overdue = end_overdue

    async def __call__(self, _due: DeadlinesDue, _delivery: Delivery) -> None:
        """End every request that is overdue and has no outcome. Nearly always there is none."""
        await self._end_overdue()
