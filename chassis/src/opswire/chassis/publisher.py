"""Publishes to JetStream and waits for the broker's word, many at a time over one inbox.

nats-py's own `js.publish` costs a request with its own timer and JSON path; this one matches acknowledgements by inbox
token, so a process has hundreds of publishes under way at the price of one dictionary entry each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, ConnectionDrainingError, OutboundBufferLimitError
from opswire.chassis.errors import OpswireError, RetryableError

SUBJECT_TAKEN = 10077  # discard_new_per_subject: the fact is already there


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


@dataclass(frozen=True, slots=True)
class Stored:
    """The broker's acknowledgement: where the message lies; `duplicate` when its id was seen before."""

    stream: str
    sequence: int
    duplicate: bool


class Publisher:
    """One per connection. `start` before use; safe for any number of concurrent publishes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = ""
        self._next = 0
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}

    async def start(self) -> None:
        """Subscribe the inbox that acknowledgements arrive on."""
        self._prefix = f"{self._client.new_inbox()}."
        await self._client.subscribe(f"{self._prefix}*", cb=self._on_reply)

    async def _on_reply(self, message: Msg) -> None:
        future = self._waiting.pop(message.subject, None)
        if future is not None and not future.done():
            status = message.headers.get("Status") if message.headers else None
            future.set_result(None if status == "503" else message.data)

    def _expire(self, inbox: str) -> None:
        future = self._waiting.pop(inbox, None)
        if future is not None and not future.done():
            future.set_exception(PublishTimeoutError("the broker did not acknowledge in time"))

    async def request(self, subject: str, body: bytes, headers: dict[str, str] | None, timeout_s: float) -> bytes:
        """Send and wait for one reply. Raises PublishTimeoutError or BrokerAwayError."""
        loop = asyncio.get_running_loop()
        self._next += 1
        inbox = f"{self._prefix}{self._next}"
        future: asyncio.Future[bytes | None] = loop.create_future()
        self._waiting[inbox] = future
        timer = loop.call_later(timeout_s, self._expire, inbox)
        try:
            await self._client.publish(subject, body, reply=inbox, headers=headers)
            reply = await future
        except (ConnectionClosedError, ConnectionDrainingError, OutboundBufferLimitError) as error:
            raise BrokerAwayError(f"not connected to the broker: {error}") from error
        finally:
            timer.cancel()
            self._waiting.pop(inbox, None)
        if reply is None:
            raise BrokerAwayError(f"nobody takes {subject}: is the stream provisioned?")
        return reply

    async def publish(self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float = 2.0) -> Stored:
        """Store one message.

        Raises PublishTimeoutError (it may be stored), BrokerAwayError, SubjectTakenError or PublishRefusedError.
        """
        reply: dict[str, Any] = orjson.loads(await self.request(subject, body, headers, timeout_s))
        error = reply.get("error")
        if error is None:
            return Stored(reply["stream"], reply["seq"], reply.get("duplicate", False))
        if error.get("err_code") == SUBJECT_TAKEN:
            raise SubjectTakenError(f"{subject} holds a message already")
        if error.get("code") == 503:
            raise BrokerAwayError(f"the broker cannot store just now: {error.get('description')}")
        raise PublishRefusedError(f"the broker refuses {subject}: {error.get('description')}")
