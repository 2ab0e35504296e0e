"""Facts: messages that exist once. The broker enforces it (one message per subject, new ones refused).

A publish that timed out is unknown: it is repeated with the same id until the broker answers. On refusal the stored
fact is read back and compared; whoever was first stands.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from dataclasses import dataclass

from nats.aio.msg import Msg
from opswire.chassis.errors import RetryableError
from opswire.chassis.publisher import BrokerAwayError, Publisher, PublishTimeoutError, SubjectTakenError
from opswire.chassis.wire import WireClient
from opswire.contracts.envelope import HEADER_MESSAGE_ID

PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as it stands. `ours` is False when somebody else's differing bytes were first."""

    sequence: int
    body: bytes
    ours: bool


class Facts:
    """Publishes facts once and reads them back."""

    def __init__(self, client: WireClient, publisher: Publisher, stream: str) -> None:
        self._client = client
        self._publisher = publisher
        self._stream = stream

    async def publish(self, subject: str, header: bytes, body: bytes, patience_s: float = PATIENCE_S) -> Fact:
        """Make `body` the fact of `subject`, or learn which fact stands there.

        `header` holds no message id: unknown publishes are repeated with the same one, the subject, for `patience_s`
        seconds. Raises RetryableError when the broker stays away that long (the fact may or may not exist: repeat the
        whole handling), PublishRefusedError.
        """
        until = time.monotonic() + patience_s
        delay_s = 0.05
        message_id = subject
        while True:
            identified = b"%b%b: %b\r\n" % (header, HEADER_MESSAGE_ID.encode(), message_id.encode())
            try:
                stored = await self._publisher.publish(subject, identified, body)
            except SubjectTakenError:
                return await self._standing(subject, body)
            except (PublishTimeoutError, BrokerAwayError):
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))  # noqa: S311  jitter
                delay_s = min(delay_s * 2, 2.0)
                continue
            if not stored.duplicate:
                return Fact(stored.sequence, body, ours=True)
            found = await self.read(subject)
            if found is not None:
                return Fact(found.sequence, found.body, ours=found.body == body)
            # Somebody used our id for another message within the duplicate window. Only here another id is safe to
            # take, and needed: the subject takes one message whatever its id.
            message_id = f"{subject}/{secrets.token_hex(8)}"

    async def _standing(self, subject: str, body: bytes) -> Fact:
        found = await self.read(subject)
        if found is None:
            raise RetryableError(f"{subject} was refused as present but cannot be read back")
        return Fact(found.sequence, found.body, ours=found.body == body)

    async def read(self, subject: str) -> Fact | None:
        """The fact on `subject`, or None. Raises PublishTimeoutError or BrokerAwayError when the broker is away."""
        message = await self.read_message(subject)
        if message is None or message.headers is None:
            return None
        sequence = message.headers["Nats-Sequence"]
        # The stored message's own headers come with it: an upstream may have written any value under this name.
        return Fact(int(sequence) if sequence.isdigit() else 0, message.data, ours=False)

    async def read_message(self, subject: str) -> Msg | None:
        """The stored message with its headers (`Nats-Sequence`, `Nats-Time-Stamp`), or None."""
        if not self._client.is_connected:
            raise BrokerAwayError("not connected to the broker")
        # nats-py's request, not our publisher's: the answer's headers are wanted.
        try:
            message = await self._client.request(
                f"$JS.API.DIRECT.GET.{self._stream}.{subject}", b"", timeout=5, old_style=False
            )
        except TimeoutError as error:
            raise PublishTimeoutError("the broker did not answer a read in time") from error
        except Exception as error:
            raise BrokerAwayError(f"the broker cannot be asked: {error}") from error
        # A stored message comes with its own headers, among them perhaps an upstream's `Status`. What tells the
        # broker's "not found" from a message is that the broker's sequence is missing.
        if message.headers is None or "Nats-Sequence" not in message.headers:
            return None
        return message
