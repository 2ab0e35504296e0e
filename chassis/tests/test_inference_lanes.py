"""Places at an endpoint: interactive calls first, bulk never in the last places, a bounded queue, no place lost."""

from __future__ import annotations

import asyncio

import pytest
from opswire.chassis.inference.call import Lane
from opswire.chassis.inference.errors import InferenceOverloadedError
from opswire.chassis.inference.lanes import Lanes


async def waiting(lanes: Lanes, lane: Lane, order: list[str], name: str) -> asyncio.Task[None]:
    """A task that waits for a place and notes when it has one."""

    async def enter() -> None:
        await lanes.enter(lane)
        order.append(name)

    task = asyncio.create_task(enter())
    await asyncio.sleep(0)  # it runs until it waits
    return task


async def test_interactive_calls_go_before_bulk_calls_that_came_first() -> None:
    lanes, order = Lanes("e", 1, 10), list[str]()
    await lanes.enter(Lane.BULK)
    tasks = [await waiting(lanes, Lane.BULK, order, "bulk")]
    tasks += [await waiting(lanes, Lane.INTERACTIVE, order, name) for name in ("first", "second")]
    for lane in (Lane.BULK, Lane.INTERACTIVE, Lane.INTERACTIVE):
        lanes.leave(lane)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["first", "second", "bulk"]
    lanes.leave(Lane.BULK)
    assert (lanes.taken, lanes.waiting) == (0, 0)


async def test_bulk_calls_never_take_the_last_places() -> None:
    lanes = Lanes("e", 8, 10)
    assert [lanes.enter_now(Lane.BULK) for _ in range(8)] == [True] * 6 + [False] * 2
    assert [lanes.enter_now(Lane.INTERACTIVE) for _ in range(3)] == [True, True, False]
    small = Lanes("e", 2, 10)
    assert [small.enter_now(Lane.BULK) for _ in range(2)] == [True, False]
    assert small.enter_now(Lane.INTERACTIVE)


async def test_a_full_queue_refuses_and_an_interactive_call_takes_a_waiting_bulk_calls_turn() -> None:
    lanes, order = Lanes("e", 1, 2), list[str]()
    await lanes.enter(Lane.INTERACTIVE)
    older = await waiting(lanes, Lane.BULK, order, "older")
    younger = await waiting(lanes, Lane.BULK, order, "younger")
    with pytest.raises(InferenceOverloadedError) as caught:
        await lanes.enter(Lane.BULK)
    assert caught.value.cause == "queue_full"
    interactive = await waiting(lanes, Lane.INTERACTIVE, order, "interactive")
    with pytest.raises(InferenceOverloadedError):
        await younger
    lanes.leave(Lane.INTERACTIVE)
    await interactive
    lanes.leave(Lane.INTERACTIVE)
    await older
    assert order == ["interactive", "older"]
    lanes.leave(Lane.BULK)
    assert lanes.taken == 0


async def test_a_cancelled_call_leaves_the_queue_and_loses_no_place() -> None:
    lanes, order = Lanes("e", 1, 10), list[str]()
    await lanes.enter(Lane.INTERACTIVE)
    gone = await waiting(lanes, Lane.INTERACTIVE, order, "gone")
    kept = await waiting(lanes, Lane.INTERACTIVE, order, "kept")
    gone.cancel()
    lanes.leave(Lane.INTERACTIVE)  # given to the cancelled call before it has noticed
    with pytest.raises(asyncio.CancelledError):
        await gone
    await kept
    assert (order, lanes.taken) == (["kept"], 1)
    lanes.leave(Lane.INTERACTIVE)
    assert (lanes.taken, lanes.waiting) == (0, 0)


async def test_a_queue_of_no_length_refuses_at_once() -> None:
    lanes = Lanes("e", 1, 0)
    await lanes.enter(Lane.INTERACTIVE)
    with pytest.raises(InferenceOverloadedError):
        await lanes.enter(Lane.INTERACTIVE)
    assert lanes.taken == 1
