"""The breaker: open after failures in a row, one probe at a time, closed by any answer. And the health answer's age."""

from __future__ import annotations

import asyncio

from opswire.chassis.inference.breaker import (
    FAILING_S,
    FAILURES_MAX,
    OPEN_FIRST_S,
    OPEN_LONGEST_S,
    Breaker,
    BreakerState,
)
from opswire.chassis.inference.errors import InferenceUnavailableError
from opswire.chassis.inference.health import KEPT_S, Health


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def failing(breaker: Breaker, clock: Clock, calls: int) -> None:
    """Calls one after the other that all fail."""
    for _ in range(calls):
        ticket = breaker.admit()
        assert ticket is not None
        clock.now_s += 0.001
        breaker.failed(ticket)


def opened(clock: Clock) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(clock)
    failing(breaker, clock, FAILURES_MAX)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(3):
        failing(breaker, clock, FAILURES_MAX - 1)
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    failing(breaker, clock, FAILURES_MAX)
    assert (breaker.state, breaker.admit()) == (BreakerState.OPEN, None)


def test_calls_that_ran_together_and_failed_together_are_one_failure() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    tickets = [breaker.admit() for _ in range(50)]
    clock.now_s += 0.2
    for ticket in tickets:
        assert ticket is not None
        breaker.failed(ticket)
    assert breaker.state is BreakerState.CLOSED


def test_failures_that_go_on_for_a_second_without_a_success_open_it() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    tickets = [breaker.admit() for _ in range(FAILURES_MAX)]
    for ticket in tickets:
        assert ticket is not None
        assert breaker.state is BreakerState.CLOSED
        breaker.failed(ticket)
        clock.now_s += FAILING_S / (FAILURES_MAX - 1)
    assert breaker.state is BreakerState.OPEN


def test_one_probe_at_a_time_and_its_success_closes() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += OPEN_FIRST_S
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.would_admit
    assert breaker.admit() is not None
    assert not breaker.would_admit
    assert breaker.admit() is None
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.admit() is not None


def test_a_failed_probe_waits_twice_as_long_up_to_a_minute() -> None:
    clock = Clock()
    breaker = opened(clock)
    waits = []
    open_s = OPEN_FIRST_S
    for _ in range(6):
        clock.now_s += open_s - 0.01
        assert breaker.admit() is None
        clock.now_s += 0.01
        ticket = breaker.admit()
        assert ticket is not None
        breaker.failed(ticket)
        waits.append(open_s)
        open_s = min(open_s * 2, OPEN_LONGEST_S)
    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_cancelled_probe_frees_the_next_and_an_old_call_frees_nothing() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    old = breaker.admit()
    assert old is not None
    failing(breaker, clock, FAILURES_MAX)
    clock.now_s += OPEN_FIRST_S
    probe = breaker.admit()
    assert probe is not None
    breaker.abandoned(old)  # a call from before it opened was cancelled, or failed: the probe goes on
    breaker.failed(old)
    assert breaker.admit() is None
    breaker.abandoned(probe)
    assert breaker.admit() is not None


def test_a_good_health_check_lets_the_next_call_try() -> None:
    breaker = opened(Clock())
    assert not breaker.would_admit
    breaker.seen_well()
    assert breaker.would_admit


async def test_a_health_answer_is_kept_for_thirty_seconds_and_asked_for_once() -> None:
    clock, asked, problems = Clock(), list[float](), list[Exception]()

    async def check() -> None:
        asked.append(clock.now_s)
        await asyncio.sleep(0)
        if problems:
            raise problems.pop()

    health = Health(check, clock)
    assert health.state == "unknown"
    assert await asyncio.gather(*(health.is_well() for _ in range(10))) == [True] * 10
    assert (len(asked), health.state) == (1, "ok")
    clock.now_s += KEPT_S - 0.1
    assert await health.is_well()
    assert len(asked) == 1
    clock.now_s += 0.1
    problems.append(InferenceUnavailableError("it is away"))
    assert not await health.is_well()
    assert (len(asked), health.state) == (2, "it is away")
    health.answered()
    assert await health.is_well()
    assert (len(asked), health.state, health.age_s) == (2, "ok", 0)


async def test_a_check_that_is_ended_or_breaks_is_no_good_answer_and_cancels_nobody() -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    health = Health(hang)
    asking = asyncio.create_task(health.is_well())
    await begun.wait()
    await health.close()
    assert await asking is False

    async def broken() -> None:
        raise KeyError("secret")

    other = Health(broken)
    assert await other.is_well() is False
    assert other.state == "the check failed: KeyError"
