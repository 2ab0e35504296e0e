"""A request arrives: have the broker tick at its deadline, find its intent, send it on."""

from __future__ import annotations

import time

from opswire.chassis.delivery import ATTEMPTS_MAX, RETRY_DELAY_S_MAX, Delivery
from opswire.chassis.errors import DeadlineError
from opswire.chassis.inference.errors import InferenceUnavailableError
from opswire.chassis.ticks import DeadlineTicks
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import INTENT_RESOLVED, REQUEST_FINISHED
from opswire.intent.errors import IdMismatchError, ModelAwayError
from opswire.intent.usecases.answer_request import AnswerRequest, Arrival


class HandleRequestSubmitted:
    """Translates between the bus and the use case."""

    def __init__(self, answer_request: AnswerRequest, ticks: DeadlineTicks) -> None:
        self._answer_request = answer_request
        self._ticks = ticks

    async def __call__(self, request: RequestSubmitted, delivery: Delivery) -> None:
        """Publish the intent, or the outcome where nothing remains to be done."""
        if request.request_id != delivery.variables["request_id"]:
            raise IdMismatchError("the body's request_id is not the one in the subject")
        deadline_ns = delivery.stored_ns + request.deadline_ms * 1_000_000
        if time.time_ns() >= deadline_ns:
            raise DeadlineError("the deadline had passed before the request was read")
        await self._ticks.ensure(delivery.sender, deadline_ns)
        arrival = Arrival(delivery.stored_ns, deadline_ns, delivery.received_ns)
        try:
            answer = await self._answer_request(request, arrival)
        except InferenceUnavailableError as error:
            if comes_again(delivery.attempt, deadline_ns):
                raise
            raise ModelAwayError(f"no model answered in the time of the request: {error}") from error
        route = REQUEST_FINISHED if isinstance(answer, RequestFinished) else INTENT_RESOLVED
        await delivery.publish(route, answer, deadline_ns=deadline_ns)


def comes_again(attempt: int, deadline_ns: int) -> bool:
    """Whether a message whose attempt failed now is delivered again before its deadline, however long the pause."""
    longest_s = 1.5 * min(0.1 * 2 ** min(attempt, 10), RETRY_DELAY_S_MAX)
    return attempt < ATTEMPTS_MAX and time.time_ns() + int(longest_s * 1e9) < deadline_ns
