"""One attempt at one endpoint: place, breaker, clock, span and counters. Retried only where that can help."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Generator
from contextlib import contextmanager

from opswire.chassis.inference.backend import Answer, Question
from opswire.chassis.inference.breaker import BreakerState, Ticket
from opswire.chassis.inference.call import InferenceCall
from opswire.chassis.inference.cost import Tally
from opswire.chassis.inference.errors import (
    CONNECT,
    DISCONNECTED,
    CircuitOpenError,
    InferenceOverloadedError,
    InferenceRefusedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
    ReplyInvalidError,
)
from opswire.chassis.inference.metrics import InferenceMetrics
from opswire.chassis.inference.place import Place
from opswire.chassis.logs import get_logger
from opswire.chassis.telemetry import Span

RECONNECT_DELAY_S = 0.05
TELLING_TIMEOUT_S = 1.0
"""A call that had less time than this and ran out of it says nothing about the endpoint."""
STALL_S = 0.25
"""A timeout that is noticed so late was a stall of this process, not of the endpoint."""

_random = random.Random()  # noqa: S311  jitter, not secrets


def loop_deadline(call: InferenceCall) -> float:
    """The call's deadline in the loop's time."""
    return asyncio.get_running_loop().time() + (call.deadline_ns - time.time_ns()) / 1e9


class Attempt:
    """What one endpoint is asked for one call, with its time. `until` is in the loop's time."""

    __slots__ = ("answer", "call", "metrics", "number", "place", "question", "tally", "ticket", "until")

    def __init__(
        self,
        place: Place,
        call: InferenceCall,
        question: Question,
        until: float,
        tally: Tally,
        metrics: InferenceMetrics,
    ) -> None:
        self.place, self.call, self.question, self.until = place, call, question, until
        self.tally, self.metrics = tally, metrics
        self.number = 0
        self.ticket: Ticket | None = None
        self.answer: Answer | None = None

    async def take_place(self) -> None:
        """Wait for a place at the endpoint; after it, `give_place` is due.

        Raises InferenceOverloadedError or CircuitOpenError.
        """
        place, lane = self.place, self.call.lane
        if not place.breaker.would_admit:
            raise self._refused(_circuit_open(place))
        if place.lanes.enter_now(lane):
            return
        try:
            with place.spans.waiting():
                async with asyncio.timeout_at(self.until):
                    await place.lanes.enter(lane)
        except TimeoutError as error:
            message = f"no place at model endpoint {place.endpoint.name} became free in time"
            raise self._refused(InferenceOverloadedError(message, "no_place")) from error
        except InferenceOverloadedError as error:
            raise self._refused(error) from None

    def give_place(self) -> None:
        """The endpoint is done with it."""
        self.place.lanes.leave(self.call.lane)

    @contextmanager
    def sent(self) -> Generator[Span]:
        """Around everything between the first and the last byte: span, breaker, counters, health."""
        place = self.place
        if asyncio.get_running_loop().time() >= self.until:
            raise self._refused(InferenceTimeoutError("no time was left; nothing was sent", "deadline"))
        ticket = place.breaker.admit()
        if ticket is None:
            raise self._refused(_circuit_open(place))
        self.ticket = ticket
        self.tally.calls += 1
        current = place.spans.begin(self.call, self.question, self.number)
        try:
            yield current
        except BaseException as error:
            self._failed(current, error)
            raise
        assert self.answer is not None
        self._answered(current, self.answer)

    def timed_out(self) -> InferenceTimeoutError:
        """What to raise when its time is over."""
        return InferenceTimeoutError(
            f"model endpoint {self.place.endpoint.name} did not answer in the time there was", "timeout"
        )

    def _answered(self, current: Span, answer: Answer) -> None:
        place = self.place
        cost = place.prices.cost_usd(answer.usage) if place.prices is not None else None
        place.spans.answered(current, answer, cost)
        series = self.metrics.of(place.endpoint.name, self.call.operation)
        series.answered(answer.usage, cost)
        self.tally.add(answer.usage, cost)
        if place.breaker.state is not BreakerState.CLOSED:
            get_logger().info("model endpoint is well again", endpoint=place.endpoint.name)
        place.breaker.succeeded()
        place.health.answered()

    def _failed(self, current: Span, error: BaseException) -> None:
        place = self.place
        cause = cause_of(error)
        end_ns = place.spans.failed(current, cause)
        duration_s = (end_ns - current.start_ns) / 1e9
        self.metrics.of(place.endpoint.name, self.call.operation).failed(cause)
        was = place.breaker.state
        assert self.ticket is not None
        if _is_alive(error):
            place.breaker.succeeded()
        elif self._is_telling(error, duration_s):
            place.breaker.failed(self.ticket)
        else:
            place.breaker.abandoned(self.ticket)
        if place.breaker.state is BreakerState.OPEN and was is not BreakerState.OPEN:
            get_logger().warning("model endpoint left alone", endpoint=place.endpoint.name, cause=cause)

    def _is_telling(self, error: BaseException, duration_s: float) -> bool:
        """Whether the endpoint is to blame."""
        if isinstance(error, InferenceTimeoutError) and error.cause != CONNECT:
            has_had_time = duration_s >= min(TELLING_TIMEOUT_S, self.place.endpoint.timeout_s)
            late_s = asyncio.get_running_loop().time() - self.until
            return has_had_time and late_s < STALL_S
        return isinstance(error, InferenceUnavailableError | ReplyInvalidError)

    def _refused(self, error: InferenceUnavailableError) -> InferenceUnavailableError:
        self.metrics.of(self.place.endpoint.name, self.call.operation).failed(error.cause)
        return error


async def ask(attempt: Attempt, is_last: bool) -> Answer:
    """The endpoint's answer, after a retry where that can help. Raises the errors of `errors.py`.

    `is_last`: no other endpoint follows, so that waiting for this one is worth it.
    """
    while True:
        try:
            return await _ask_once(attempt)
        except InferenceUnavailableError as error:
            if not await may_repeat(attempt, error, is_last):
                raise


async def may_repeat(attempt: Attempt, error: InferenceUnavailableError, is_last: bool) -> bool:
    """Whether the same endpoint is asked again after this error; if so, the time until then has been waited."""
    delay_s = _retry_after_s(attempt, error, is_last)
    if delay_s is None or asyncio.get_running_loop().time() + delay_s >= attempt.until:
        return False
    await asyncio.sleep(delay_s)
    attempt.number += 1
    attempt.answer = None
    return True


async def _ask_once(attempt: Attempt) -> Answer:
    await attempt.take_place()
    try:
        with attempt.sent() as current:
            try:
                async with asyncio.timeout_at(attempt.until):
                    attempt.answer = await attempt.place.backend.answer(attempt.question, current.traceparent)
            except TimeoutError as error:
                raise attempt.timed_out() from error
        assert attempt.answer is not None
        return attempt.answer
    finally:
        attempt.give_place()


def _retry_after_s(attempt: Attempt, error: InferenceUnavailableError, is_last: bool) -> float | None:
    """How long to wait before the same endpoint is asked again; None where that cannot help."""
    if attempt.number >= attempt.place.endpoint.retries_max:
        return None
    if error.cause == DISCONNECTED:
        # Most often a connection that was closed while it lay idle. The others were closed with it: our loop needs a
        # turn to hear of that, or the repetition takes one of them.
        return float(RECONNECT_DELAY_S * _random.uniform(0.5, 1.5))
    if not is_last:
        return None
    if error.cause == CONNECT and not isinstance(error, InferenceTimeoutError):
        return float(RECONNECT_DELAY_S * 2**attempt.number * _random.uniform(0.5, 1.5))
    return error.retry_after_s  # set where the endpoint named a time: 429, 503


def cause_of(error: BaseException) -> str:
    """The closed word for metrics and spans."""
    if isinstance(error, InferenceUnavailableError | InferenceRefusedError | ReplyInvalidError):
        return error.cause
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "cancelled"
    return type(error).__name__


def _is_alive(error: BaseException) -> bool:
    """The server answered as it should; it is the call that it does not like, or there are too many."""
    if isinstance(error, InferenceRefusedError):
        return True
    return isinstance(error, InferenceOverloadedError) and error.cause == "rate_limited"


def _circuit_open(place: Place) -> CircuitOpenError:
    return CircuitOpenError(
        f"model endpoint {place.endpoint.name} failed several times and is left alone for now", "circuit_open"
    )
