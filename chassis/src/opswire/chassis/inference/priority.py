"""Whether a server heeds priorities. vLLM takes the field, and ignores it in silence unless it was started for it.

Nothing that it shows tells which: not its version, models, metrics or API description. So it is found out by what it
does: calls with long prompts in the bulk lane, more than it reads in one step, and behind them a few interactive ones.
Where priorities count, these wait a fraction of what the bulk calls wait; where not, longer than most of them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Sequence

from opswire.chassis.inference.call import InferenceCall, Lane, Message, Reply
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.metrics import Metrics

BULK_CALLS = 48
BULK_WORDS = 700
"""About a thousand tokens: 48 of them are several steps of a server that reads 8,192 tokens in one."""
URGENT_CALLS = 3
QUEUE_NS_MIN = 5_000_000
HEEDED_SHARE_MAX = 0.6
IGNORED_SHARE_MIN = 1.0
DEADLINE_S = 60.0


async def heeds_priority(endpoint: Endpoint) -> bool | None:
    """Whether interactive calls overtake bulk calls at this server. None where it cannot be told: no queue, no times.

    Reads about 50,000 prompt tokens there, so a client asks once for each endpoint it warms; one token where the server
    says no times. Raises the errors of an InferenceClient.
    """
    wide = endpoint.model_copy(update={"concurrency_max": 4 * BULK_CALLS, "timeout_s": DEADLINE_S})
    client = InferenceClient("priority", lambda: configuration, Metrics())
    configuration = InferenceConfiguration(chain=(wide,))
    try:
        first = await client.complete(_call(Lane.INTERACTIVE, 1))
        if first.timing is None:
            return None
        # All in one turn of our loop, the interactive ones last: whatever pauses us then, the server has them.
        calls = [_call(Lane.BULK, BULK_WORDS) for _ in range(BULK_CALLS)]
        calls += [_call(Lane.INTERACTIVE, 1) for _ in range(URGENT_CALLS)]
        tasks = [asyncio.create_task(client.complete(call)) for call in calls]
        try:
            replies = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return _judged(replies[:BULK_CALLS], replies[BULK_CALLS:])
    finally:
        await client.close()


def _call(lane: Lane, words: int) -> InferenceCall:
    # Each begins with an id of its own: the prefix cache must not answer for the second time.
    text = f"{uuid.uuid4()} " + "word " * words
    deadline_ns = time.time_ns() + int(DEADLINE_S * 1e9)
    return InferenceCall("priority", (Message("user", text),), deadline_ns, 1, lane)


def _judged(bulk: Sequence[Reply[str]], urgent: Sequence[Reply[str]]) -> bool | None:
    waits = [[reply.timing.queue_ns for reply in replies if reply.timing is not None] for replies in (bulk, urgent)]
    if not all(waits):
        return None
    waited, overtook = (statistics.median(each) for each in waits)
    if waited < QUEUE_NS_MIN:
        return None
    share = overtook / waited
    return True if share <= HEEDED_SHARE_MAX else False if share >= IGNORED_SHARE_MIN else None
