"""Several endpoints, one after the other: who gets how much time, and what is said when none answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.attempt import Attempt, loop_deadline, may_repeat
from opswire.chassis.inference.backend import Answer, Question
from opswire.chassis.inference.call import InferenceCall, OutputSchema
from opswire.chassis.inference.cost import Tally
from opswire.chassis.inference.errors import InferenceTimeoutError, InferenceUnavailableError, ReplyInvalidError
from opswire.chassis.inference.metrics import InferenceMetrics
from opswire.chassis.inference.place import Place

PART_BEFORE_FALLBACK = 2 / 3
"""How much of what is left an endpoint may use while another one, that is not left alone, follows it."""


def question_for(place: Place, call: InferenceCall, schema: OutputSchema[Any] | None) -> Question:
    """What this endpoint is asked: the call, within the endpoint's limit of tokens."""
    max_tokens = min(call.max_tokens, place.endpoint.max_tokens)
    return Question(call.messages, schema, max_tokens, call.temperature, call.lane, call.operation)


def is_last(places: Sequence[Place]) -> bool:
    """Whether nobody follows the first of these who would be asked at all."""
    return not any(place.breaker.would_admit for place in places[1:])


def time_for(places: Sequence[Place], deadline: float) -> float | None:
    """Until when the first of these may be asked, in the loop's time; None when no time is left.

    The part that is kept back is for those after it, where one of them would be asked at all.
    """
    now = asyncio.get_running_loop().time()
    left_s = deadline - now
    if left_s <= 0:
        return None
    allowed_s = left_s if is_last(places) else left_s * PART_BEFORE_FALLBACK
    return now + min(places[0].endpoint.timeout_s, allowed_s)


def asked_all(errors: Sequence[OpswireError]) -> OpswireError:
    """What to raise when no endpoint answered.

    One that may help later (unavailable) goes before one that says no for good; but where the first endpoint did
    answer, and no good came of it, later is no better. The text names them all.
    """
    if not errors:
        return InferenceTimeoutError("the deadline has passed; no model was asked", "deadline")
    away = [error for error in errors if isinstance(error, InferenceUnavailableError)]
    chosen = errors[0] if isinstance(errors[0], ReplyInvalidError) else (away or errors)[-1]
    if len(errors) == 1:
        return chosen
    text = "no model endpoint answered: " + "; ".join(str(error) for error in errors)
    if isinstance(chosen, InferenceUnavailableError):
        waits = [error.retry_after_s for error in away if error.retry_after_s is not None]
        found: OpswireError = type(chosen)(text, chosen.cause, min(waits) if waits else None)
    else:
        found = type(chosen)(text, getattr(chosen, "cause", "refused"))
    found.__cause__ = chosen
    return found


async def stream_chain(
    places: Sequence[Place], call: InferenceCall, tally: Tally, metrics: InferenceMetrics
) -> AsyncGenerator[tuple[Place, str | Answer, bool]]:
    """Parts of the answer, each with its endpoint and whether it begins anew; the last is the whole answer."""
    deadline = loop_deadline(call)
    errors: list[OpswireError] = []
    has_begun = False
    for number, place in enumerate(places):
        is_restart = has_begun
        try:
            await place.load(deadline)
            until = time_for(places[number:], deadline)
            if until is None:
                break
            attempt = Attempt(place, call, question_for(place, call, None), until, tally, metrics)
            async with aclosing(_streamed(attempt, is_last(places[number:]))) as parts:
                async for part in parts:
                    yield place, part, is_restart
                    has_begun, is_restart = True, False
            return
        except OpswireError as error:
            errors.append(error)
    raise asked_all(errors)


async def _streamed(attempt: Attempt, is_last: bool) -> AsyncGenerator[str | Answer]:
    """The endpoint's stream. Before its first part it is asked again where that can help; after it, never."""
    while True:
        has_begun = False
        try:
            async with aclosing(_streamed_once(attempt)) as parts:
                async for part in parts:
                    has_begun = True
                    yield part
            return
        except InferenceUnavailableError as error:
            if has_begun or not await may_repeat(attempt, error, is_last):
                raise


async def _streamed_once(attempt: Attempt) -> AsyncGenerator[str | Answer]:
    await attempt.take_place()
    try:
        with attempt.sent() as current:
            parts = attempt.place.backend.stream(attempt.question, current.traceparent)
            try:
                while True:
                    part = await _next(attempt, parts)
                    if isinstance(part, Answer):
                        attempt.answer = part
                        break
                    yield part
            finally:
                await parts.aclose()
    finally:
        attempt.give_place()
    assert attempt.answer is not None
    yield attempt.answer


async def _next(attempt: Attempt, parts: AsyncGenerator[str | Answer]) -> str | Answer:
    """Only the waiting is timed, never the reader: a timer around a `yield` would cancel whoever reads."""
    try:
        async with asyncio.timeout_at(attempt.until):
            return await anext(parts)
    except TimeoutError as error:
        raise attempt.timed_out() from error
