"""A person settled a step whose outcome was unknown: whether that counts is told to whoever watches and reads logs."""

from __future__ import annotations

from collections.abc import Callable

from opswire.chassis.delivery import Delivery
from opswire.chassis.logs import get_logger
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.executor.adapters.progress import Progress
from opswire.executor.rules.approval import Refused
from opswire.executor.rules.people import People
from opswire.executor.rules.signed import resolution_by
from opswire.executor.usecases.story import Key


class HandleResolutionRecorded:
    """`count` is called with what was found, or with why it does not count. The request's outcome stays as it is."""

    def __init__(self, people: Callable[[], People], progress: Progress, count: Callable[[str], None]) -> None:
        self._people = people
        self._progress = progress
        self._count = count

    async def __call__(self, record: ResolutionRecorded, delivery: Delivery) -> None:
        """Verify the signature by the people of this moment, and say who settled what, or why it does not count."""
        key = Key(delivery.variables["source"], delivery.variables["request_id"])
        step, approver = delivery.variables["number"], delivery.variables["approver"]
        found = resolution_by(record, key.source, self._people(), delivery.stored_ns)
        if (record.request_id, str(record.number), record.person) != (key.request_id, step, approver):
            found = Refused(approver, "not_its_place", "it speaks of another request, step or person than its subject")
        if isinstance(found, Refused):
            get_logger().warning("resolution does not count", settled=str(key), step=step, code=found.code)
            self._count(found.code)
            await self._progress.say(key, f"step {step} is not settled: {found.code}: {found.sentence}")
            return
        get_logger().info("step settled", settled=str(key), step=step, found=record.found, person=found.name)
        self._count(record.found)
        what = record.found.replace("_", " ")
        await self._progress.say(key, f"step {step} is settled by {found.name}: {what}. {record.note}".strip())
