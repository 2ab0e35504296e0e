"""Several stored messages by one question to the broker, without a consumer: 0.3 ms for all facts of a request."""

from __future__ import annotations

import asyncio

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opswire.chassis.publisher import BrokerAwayError
from opswire.chassis.wire import WireClient

TIMEOUT_S = 5.0
MESSAGES_MAX = 2_000
_ENDS = ("204", "404")
"""No more, and none. Anything else, such as 413 for more subjects than one answer holds, is no empty answer."""


async def newest_of(client: WireClient, stream: str, subjects: list[str]) -> list[Msg]:
    """The newest message of every subject that matches one of `subjects`, in the order of the stream.

    Their headers hold `Nats-Subject`, `Nats-Sequence` and `Nats-Time-Stamp`. Raises BrokerAwayError.
    """
    return await _asked(client, stream, {"multi_last": subjects, "batch": MESSAGES_MAX})


async def all_from(client: WireClient, stream: str, subject: str, sequence: int) -> list[Msg]:
    """Every message of `subject` from `sequence` on, 2,000 at most, in their order. Raises BrokerAwayError."""
    return await _asked(client, stream, {"seq": sequence, "next_by_subj": subject, "batch": MESSAGES_MAX})


def sequence_of(message: Msg) -> int:
    """Where a message that was read so lies in its stream."""
    return int((message.headers or {})["Nats-Sequence"])


def own_headers(message: Msg) -> dict[str, str]:
    """What its sender wrote: without what the broker adds to a message that is read directly."""
    return {name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")}


async def _asked(client: WireClient, stream: str, question: dict[str, object]) -> list[Msg]:
    found: list[Msg] = []
    everything: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(message: Msg) -> None:
        if message.headers is not None and "Nats-Sequence" in message.headers:
            found.append(message)
        elif not everything.done() and (message.headers or {}).get("Status", "204") in _ENDS:
            everything.set_result(None)
        elif not everything.done():
            everything.set_exception(BrokerAwayError(f"{stream} cannot be read: {(message.headers or {})['Status']}"))

    try:
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, cb=take)
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", orjson.dumps(question), reply=inbox)
            await asyncio.wait_for(everything, TIMEOUT_S)
        finally:
            await subscription.unsubscribe()
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerAwayError(f"{stream} cannot be read: {type(error).__name__}") from error
    return found
