"""A service that is told to end does, whatever its background work is at."""

from __future__ import annotations

import asyncio

from opswire.chassis.ending import end_all


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost, begun = [], asyncio.Event()

    async def sweep() -> None:
        while True:
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append("as `asyncio.wait_for` of Python 3.11 does when a reply comes in the same turn")

    async def fails() -> None:
        raise OSError("it had ended already")

    tasks = [asyncio.create_task(sweep()), asyncio.create_task(fails())]
    await begun.wait()
    async with asyncio.timeout(10):
        await end_all(tasks, 0.01)
    assert len(lost) == 1
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), OSError)
