"""Publishes to JetStream and waits for the broker's word, many at a time over one inbox.

nats-py's own `js.publish` costs a request with its own timer and JSON path; this one matches acknowledgements by inbox
token, so a process has hundreds of publishes under way at the price of one dictionary entry each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from nats.errors import ConnectionClosedError, MaxPayloadError
from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.wire import WireClient

STORE_REFUSED = 10077
WRONG_SEQUENCE = frozenset({10070, 10071, 10164})
"""The answers to `Nats-Expected-Last-Sequence`, `-Last-Msg-Id` and `-Last-Subject-Sequence` that no longer hold."""


class PublishTimeoutError(RetryableError):
    """No word from the broker in time. The message may have been stored: repeat with the same id, nothing else."""

    code = "broker_timeout"


class BrokerAwayError(RetryableError):
    """Not connected, or no stream takes this subject just now."""

    code = "broker_away"


class SubjectTakenError(OpswireError):
    """The stream holds a message on this subject already, and takes one only."""

    code = "fact_exists"


class PublishRefusedError(OpswireError):
    """The broker refuses the message for good: too large, wrong stream."""

    code = "publish_refused"


class OvertakenError(PublishRefusedError):
    """A compare and set that lost: somebody else has written since."""

    code = "overtaken"


@dataclass(frozen=True, slots=True)
class Stored:
    """The broker's acknowledgement: where the message lies; `duplicate` when its id was seen before."""

    stream: str
    sequence: int
    duplicate: bool


class Publisher:
    """One per connection. `start` before use; safe for any number of concurrent publishes."""

    def __init__(self, client: WireClient) -> None:
        self._client = client
        self._prefix = ""
        self._next = 0
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}

    async def start(self) -> None:
        """Subscribe the inbox that acknowledgements arrive on."""
        self._prefix = f"{self._client.new_inbox()}."
        await self._client.subscribe_directly(f"{self._prefix}*", self._on_reply)

    def _on_reply(self, subject: str, _: str, body: bytes, header: bytes | None) -> None:
        future = self._waiting.pop(subject, None)
        if future is not None and not future.done():
            future.set_result(None if header is not None and not body else body)

    def _expire(self, inbox: str) -> None:
        future = self._waiting.pop(inbox, None)
        if future is not None and not future.done():
            future.set_exception(PublishTimeoutError("the broker did not acknowledge in time"))

    async def publish(self, subject: str, header: bytes, body: bytes, timeout_s: float = 2.0) -> Stored:
        """Store one message; `header` as WireClient.publish_now takes it.

        Raises PublishTimeoutError (it may be stored), BrokerAwayError, SubjectTakenError, OvertakenError or
        PublishRefusedError.
        """
        loop = asyncio.get_running_loop()
        self._next += 1
        inbox = f"{self._prefix}{self._next}"
        future: asyncio.Future[bytes | None] = loop.create_future()
        self._waiting[inbox] = future
        timer = loop.call_later(timeout_s, self._expire, inbox)
        try:
            self._client.publish_now(subject, inbox, header, body)
            answer = await future
        except ConnectionClosedError as error:
            raise BrokerAwayError("not connected to the broker") from error
        except MaxPayloadError as error:
            raise PublishRefusedError(f"{len(body)} bytes are more than the broker takes on {subject}") from error
        finally:
            timer.cancel()
            self._waiting.pop(inbox, None)
        if answer is None:
            raise BrokerAwayError(f"nobody takes {subject}: is the stream provisioned?")
        return _stored(subject, orjson.loads(answer))


def _stored(subject: str, answer: dict[str, Any]) -> Stored:
    error = answer.get("error")
    if error is None:
        return Stored(answer["stream"], answer["seq"], answer.get("duplicate", False))
    # The broker has one code for every refusal of its store; only the words tell a taken subject from a full stream.
    if error.get("err_code") == STORE_REFUSED and "per subject" in str(error.get("description")):
        raise SubjectTakenError(f"{subject} holds a message already")
    if error.get("err_code") in WRONG_SEQUENCE:
        raise OvertakenError(f"{subject} was written by somebody else meanwhile")
    if error.get("code") == 503 or error.get("err_code") == STORE_REFUSED:
        raise BrokerAwayError(f"the broker cannot store just now: {error.get('description')}")
    raise PublishRefusedError(f"the broker refuses {subject}: {error.get('description')}")
