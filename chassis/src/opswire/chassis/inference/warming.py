"""What is done with an endpoint once, before it is needed: connect, show it the schemas, ask whether it heeds lanes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.attempt import Attempt, ask, loop_deadline
from opswire.chassis.inference.backend import Question
from opswire.chassis.inference.call import InferenceCall, Lane, Message, OutputSchema
from opswire.chassis.inference.cost import Tally
from opswire.chassis.inference.errors import InferenceUnavailableError
from opswire.chassis.inference.metrics import InferenceMetrics
from opswire.chassis.inference.place import Place, PriorityState
from opswire.chassis.logs import get_logger

WARM_TIMEOUT_S = 20.0
PRIORITY_TIMEOUT_S = 20.0
PRIORITY_ADVICE = "start vLLM with --scheduling-policy priority, or set the endpoint's sends_priority to false"


async def warm_place(
    place: Place, schemas: Sequence[OutputSchema[Any]], metrics: InferenceMetrics, learns_lanes: bool
) -> None:
    """Load the SDK, connect, let the endpoint see each schema once: a new one costs time. Never raises."""
    message = Message("user", "Say something short.")
    tells_times = False
    for schema in schemas or (None,):
        call = InferenceCall("warm", (message,), time.time_ns() + int(WARM_TIMEOUT_S * 1e9), 1, Lane.BULK)
        question = Question((message,), schema, 1, None, Lane.BULK, "warm")
        attempt = Attempt(place, call, question, loop_deadline(call), Tally(), metrics)
        try:
            await place.load(loop_deadline(call))
            answer = await ask(attempt, is_last=False)
        except InferenceUnavailableError:
            return  # health and metrics say it; a service starts without its model server
        except OpswireError:
            continue
        tells_times = tells_times or answer.timing is not None
    if learns_lanes and tells_times and place.priority is PriorityState.UNKNOWN and not place.was_asked_for_priority:
        await _learn_priority(place)


async def _learn_priority(place: Place) -> None:
    """Whether the server heeds lanes: it is asked at most once, because that costs it some 50,000 prompt tokens.

    Only a server that says how long calls waited can be judged; another is not asked, and stays `unknown`.
    """
    from opswire.chassis.inference.priority import heeds_priority  # it stands on the client, which stands on this

    place.was_asked_for_priority = True
    try:
        async with asyncio.timeout(PRIORITY_TIMEOUT_S):
            heeds = await heeds_priority(place.endpoint)
    except (TimeoutError, OpswireError) as error:
        get_logger().info("whether lanes are heeded is not known", endpoint=place.endpoint.name, reason=str(error))
        return
    if heeds is None:
        return
    place.priority = PriorityState.HEEDED if heeds else PriorityState.IGNORED
    if not heeds:
        get_logger().warning("model server ignores priorities", endpoint=place.endpoint.name, advice=PRIORITY_ADVICE)
