"""A request arrives: find its intent, set the broker's timer for its deadline, send the intent on."""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.delivery import Delivery
from opswire.chassis.errors import DeadlineError
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import INTENT_RESOLVED, REQUEST_FINISHED
from opswire.intent.adapters.deadline_timer import schedule_deadline
from opswire.intent.errors import IdMismatchError
from opswire.intent.usecases.answer_request import AnswerRequest, Arrival


class HandleRequestSubmitted:
    """Translates between the bus and the use case."""

    def __init__(self, answer_request: AnswerRequest) -> None:
        self._answer_request = answer_request

    async def __call__(self, request: RequestSubmitted, delivery: Delivery) -> None:
        """Publish the intent, or the outcome where nothing remains to be done."""
        if request.request_id != delivery.variables["request_id"]:
            raise IdMismatchError("the body's request_id is not the one in the subject")
        deadline_ns = delivery.stored_ns + request.deadline_ms * 1_000_000
        if time.time_ns() >= deadline_ns:
            raise DeadlineError("the deadline had passed before the request was read")
        # The timer and the answer do not wait for each other; both are stored before the message is acknowledged.
        timer = asyncio.create_task(schedule_deadline(delivery, request.request_id, deadline_ns))
        try:
            arrival = Arrival(delivery.stored_ns, deadline_ns, delivery.received_ns)
            answer = await self._answer_request(request, arrival)
            route = REQUEST_FINISHED if isinstance(answer, RequestFinished) else INTENT_RESOLVED
            await delivery.publish(route, answer, deadline_ns=deadline_ns)
        finally:
            await timer
