"""Places at an endpoint: interactive calls first, bulk never in the last places, a bounded queue, no place lost."""

from __future__ import annotations

import asyncio
import random

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


async def test_a_cancelled_bulk_call_is_not_the_one_that_makes_room() -> None:
    lanes, order = Lanes("e", 1, 2), list[str]()
    await lanes.enter(Lane.INTERACTIVE)
    kept = await waiting(lanes, Lane.BULK, order, "kept")
    gone = await waiting(lanes, Lane.BULK, order, "gone")
    interactive = asyncio.create_task(lanes.enter(Lane.INTERACTIVE))
    second = asyncio.create_task(lanes.enter(Lane.INTERACTIVE))
    gone.cancel()  # it wakes after those two, and is in the queue until then
    await asyncio.wait([gone])
    assert gone.cancelled()
    with pytest.raises(InferenceOverloadedError):
        await kept
    for task in (interactive, second):
        lanes.leave(Lane.INTERACTIVE)
        await task
    lanes.leave(Lane.INTERACTIVE)
    assert (lanes.taken, lanes.waiting) == (0, 0)


async def test_a_cancelled_call_in_the_queue_does_not_make_it_full() -> None:
    lanes, order = Lanes("e", 1, 1), list[str]()
    await lanes.enter(Lane.INTERACTIVE)
    gone = await waiting(lanes, Lane.INTERACTIVE, order, "gone")
    waits = asyncio.create_task(lanes.enter(Lane.INTERACTIVE))
    gone.cancel()  # it wakes after that one, and is in the queue until then
    await asyncio.wait([gone])
    lanes.leave(Lane.INTERACTIVE)
    await waits
    assert (lanes.taken, lanes.waiting) == (1, 0)


async def test_no_place_is_lost_and_none_is_given_twice_whatever_is_cancelled() -> None:
    dice, lanes = random.Random(7), Lanes("e", 3, 8)
    inside, most = 0, 0

    async def one(lane: Lane) -> None:
        nonlocal inside, most
        await lanes.enter(lane)
        inside += 1
        most = max(most, inside)
        try:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
        finally:
            inside -= 1
            lanes.leave(lane)

    tasks: list[asyncio.Task[None]] = []
    for _ in range(3_000):
        tasks.append(asyncio.create_task(one(dice.choice(list(Lane)))))
        for task in dice.sample(tasks[-6:], k=min(len(tasks), 2)):
            if dice.random() < 0.3:
                task.cancel()
        if dice.random() < 0.5:
            await asyncio.sleep(0)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    assert {type(result) for result in results} == {type(None), asyncio.CancelledError, InferenceOverloadedError}
    assert (lanes.taken, lanes.waiting, inside, most) == (0, 0, 0, 3)
    assert all(lanes.enter_now(Lane.INTERACTIVE) for _ in range(3))
