"""Every message of a stream in order, as it was stored: for whoever must miss none and keeps its own place.

The place is the reader's own number, not the broker's: a consumer that the broker forgets is made anew from there. A
message that went missing on the way is noticed by the consumer's count, and read again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import orjson
from nats.errors import Error as NatsError
from opswire.chassis.delivery import ack_metadata, consumer_sequence
from opswire.chassis.publisher import BrokerAwayError
from opswire.chassis.wire import WireClient, parse_header

BATCH_MESSAGES = 128
EXPIRES_S = 5.0
SILENCE_S = 2.0
FORGOTTEN_AFTER_S = 60.0
REPLY_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as its stream holds it; `stored_ns` is the broker's clock, nanoseconds since 1970."""

    subject: str
    sequence: int
    stored_ns: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def reader_subject(stream: str) -> str:
    """Where a consumer for oneself is asked for, under a name that nobody else has.

    The name is in the subject because the broker's permissions see only that: a body could name somebody's durable.
    """
    return f"$JS.API.CONSUMER.CREATE.{stream}.{secrets.token_hex(8)}"


class StreamReader:
    """Reads one stream from `next_sequence` on. One caller at a time; `close` when done."""

    def __init__(self, client: WireClient, stream: str, filters: Sequence[str], next_sequence: int = 1) -> None:
        self.stream = stream
        self.next_sequence = next_sequence
        self._client = client
        self._filters = list(filters)
        self._subscription = 0
        self._inbox = ""
        self._consumer = ""
        self._count = 0
        self._asked = 0
        self._there_is_more = False
        self._read: list[StoredMessage] = []
        self._status = ""
        self._heard = asyncio.Event()

    async def next(self, linger_s: float = 0.0) -> list[StoredMessage]:
        """At least one message, and what else is there `linger_s` later; none after 5 s without any. 129 at most.

        Waiting costs nothing, and what comes meanwhile is fetched at once: messages that arrive one by one cost their
        reader four times as much. Raises BrokerAwayError when the broker does not answer: call again, nothing is lost.
        """
        try:
            if not self._there_is_more:
                await self._fetch(1, {"expires": int(EXPIRES_S * 1e9)})
                if not self._read:
                    return []
                await asyncio.sleep(linger_s)
            self._there_is_more = await self._fetch(BATCH_MESSAGES, {"no_wait": True}) == BATCH_MESSAGES
            return self._taken()
        except (NatsError, OSError, TimeoutError) as error:
            await self.close()
            raise BrokerAwayError(f"{self.stream} cannot be read just now: {error}") from error

    async def to_the_end(self) -> AsyncIterator[list[StoredMessage]]:
        """Everything up to the present end, in batches. Raises BrokerAwayError."""
        while True:
            try:
                await self._fetch(BATCH_MESSAGES, {"no_wait": True})
            except (NatsError, OSError, TimeoutError) as error:
                raise BrokerAwayError(f"{self.stream} cannot be read: {error}") from error
            batch = self._taken()
            if not batch:
                return
            yield batch

    async def close(self) -> None:
        """Let the broker forget this reader. It can be used again, from its place on."""
        subscription, self._subscription = self._subscription, 0
        self._read, self._there_is_more = [], False
        if not subscription or self._client.is_closed:
            return
        await self._client.unsubscribe_directly(subscription)
        if self._client.is_connected:
            await self._client.publish(f"$JS.API.CONSUMER.DELETE.{self.stream}.{self._consumer}")

    async def _fetch(self, count: int, how: dict[str, object]) -> int:
        """Ask for messages and wait until all or no more of them came; how many did. Raises what loses the consumer."""
        self._status = ""
        if not self._subscription:
            await self._open()
        before, self._asked = len(self._read), count
        request = orjson.dumps({"batch": count} | how)
        self._client.publish_now(f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self._consumer}", self._inbox, b"", request)
        while self._asked and not self._status and self._count >= 0:
            self._heard.clear()
            async with asyncio.timeout(EXPIRES_S + SILENCE_S):  # `wait_for` loses a cancellation before Python 3.12
                await self._heard.wait()
        if self._count < 0:
            raise ConnectionError("the consumer is gone or a message was lost")
        return len(self._read) - before

    async def _open(self) -> None:
        """A consumer from our place on, which the broker forgets when we do not ask for a minute."""
        self._inbox = self._client.new_inbox()
        self._count = 0
        self._subscription = await self._client.subscribe_directly(self._inbox, self._on_message)
        config = {
            "filter_subjects": self._filters,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(1, self.next_sequence),
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(FORGOTTEN_AFTER_S * 1e9),
        }
        body = orjson.dumps({"stream_name": self.stream, "config": config})
        reply = await self._client.request(reader_subject(self.stream), body, timeout=REPLY_TIMEOUT_S)
        answer = orjson.loads(reply.data)
        if "error" in answer:
            raise ConnectionError(str(answer["error"].get("description")))
        self._consumer = answer["name"]

    def _on_message(self, subject: str, reply: str, body: bytes, header: bytes | None) -> None:
        headers = parse_header(header) if header else {}
        if not reply.startswith("$JS.ACK"):
            # 404 and 408 end a request that found nothing more; anything else says that the consumer is gone.
            self._status = headers.get("Status", "503")
            if self._status not in ("404", "408"):
                self._count = -1
            self._heard.set()
            return
        self._asked -= 1
        self._count += 1
        if consumer_sequence(reply) == self._count:
            _, sequence, stored_ns = ack_metadata(reply)
            self._read.append(StoredMessage(subject, sequence, stored_ns, body, headers))
        else:
            self._count = -1  # one went missing: what follows is read again from our place
        if not self._asked or self._count < 0:
            self._heard.set()

    def _taken(self) -> list[StoredMessage]:
        read, self._read = self._read, []
        if read:
            self.next_sequence = read[-1].sequence + 1
        return read
