"""Every message of a stream in order, as it was stored: for whoever must miss none and keeps its own place.

The place is the reader's own number, not the broker's: a consumer that the broker forgets is made anew from there. A
message that went missing on the way is noticed by the consumer's count, and read again.
"""

from __future__ import annotations

import asyncio
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
        self._read: list[StoredMessage] = []
        self._status = ""
        self._heard = asyncio.Event()

    async def next(self, linger_s: float = 0.0) -> list[StoredMessage]:
        """At least one message, and what else came within `linger_s` of the first; none after 5 s without any.

        Raises BrokerAwayError when the broker does not answer: call again, nothing is lost.
        """
        try:
            await self._ask({"expires": int(EXPIRES_S * 1e9)})
            if not await self._wait_for_any(EXPIRES_S + SILENCE_S):
                raise BrokerAwayError(f"{self.stream} cannot be read just now: the broker is silent")
            if self._read and linger_s and self._asked:
                await asyncio.sleep(linger_s)
            return self._taken()
        except (NatsError, OSError, TimeoutError) as error:
            await self.close()
            raise BrokerAwayError(f"{self.stream} cannot be read just now: {error}") from error
        except BrokerAwayError:
            await self.close()
            raise

    async def to_the_end(self) -> AsyncIterator[list[StoredMessage]]:
        """Everything up to the present end, in batches. Raises BrokerAwayError."""
        while True:
            try:
                await self._ask({"no_wait": True})
                while self._asked and not self._status and self._count >= 0:
                    if not await self._wait_for_any(SILENCE_S + EXPIRES_S, everything=True):
                        raise BrokerAwayError(f"{self.stream} cannot be read: the broker is silent")
            except (NatsError, OSError, TimeoutError) as error:
                raise BrokerAwayError(f"{self.stream} cannot be read: {error}") from error
            batch = self._taken()
            if not batch:
                return
            yield batch

    async def close(self) -> None:
        """Let the broker forget this reader. It can be used again, from its place on."""
        subscription, self._subscription = self._subscription, 0
        self._read, self._asked = [], 0
        if not subscription or self._client.is_closed:
            return
        await self._client.unsubscribe_directly(subscription)
        if self._client.is_connected:
            await self._client.publish(f"$JS.API.CONSUMER.DELETE.{self.stream}.{self._consumer}")

    async def _ask(self, how: dict[str, object]) -> None:
        """See to it that a request stands at the broker."""
        self._status = ""
        if self._count < 0:
            await self.close()
        if not self._subscription:
            await self._open()
        if self._asked <= 0:
            self._asked = BATCH_MESSAGES
            request = orjson.dumps({"batch": BATCH_MESSAGES} | how)
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self._consumer}"
            self._client.publish_now(subject, self._inbox, b"", request)

    async def _open(self) -> None:
        """A consumer from our place on, which the broker forgets when we do not ask for a minute."""
        self._inbox = self._client.new_inbox()
        self._count = self._asked = 0
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
        reply = await self._client.request(f"$JS.API.CONSUMER.CREATE.{self.stream}", body, timeout=REPLY_TIMEOUT_S)
        answer = orjson.loads(reply.data)
        if "error" in answer:
            raise ConnectionError(str(answer["error"].get("description")))
        self._consumer = answer["name"]

    def _on_message(self, subject: str, reply: str, body: bytes, header: bytes | None) -> None:
        headers = parse_header(header) if header else {}
        if not reply.startswith("$JS.ACK"):
            # 404 and 408 end a request that found nothing more; anything else says that the consumer is gone.
            self._status = headers.get("Status", "503")
            self._asked = 0
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
        self._heard.set()

    async def _wait_for_any(self, timeout_s: float, everything: bool = False) -> bool:
        """Whether the broker said something: a message, or that there is none. Raises ConnectionError after a gap."""
        self._heard.clear()
        if not (self._read and not everything) and not self._status and self._count >= 0:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._heard.wait()
            except TimeoutError:
                return False
        if self._count < 0 and not self._read:
            raise ConnectionError("the consumer is gone or a message was lost")
        return True

    def _taken(self) -> list[StoredMessage]:
        read, self._read = self._read, []
        if read:
            self.next_sequence = read[-1].sequence + 1
        return read
