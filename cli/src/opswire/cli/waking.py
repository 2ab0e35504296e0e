"""Waiting for what a stream takes, for a key that may make no consumer: woken by the message, told by the stream.

Whoever listens also hears messages that the stream refused; so what is heard only says that it is time to look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NatsTimeoutError

STORED_WITHIN_S = 0.02
LOOK_AGAIN_S = 1.0
Look = Callable[[str], Awaitable[Msg | None]]
"""The newest message that the stream holds on a subject."""


class Feed(Protocol):
    """What is followed, one message at a time."""

    async def next_msg(self, timeout: float | None = ...) -> Msg:
        """The next message. Raises nats' TimeoutError."""
        ...


class WokenFeed:
    """The messages of one subject, the one that stands there already included; of a pattern, those that come."""

    def __init__(self, subscription: Subscription, pattern: str, look: Look) -> None:
        self._subscription = subscription
        self._subject = None if "*" in pattern or ">" in pattern else pattern
        self._look = look
        self._told = 0

    async def next_msg(self, timeout: float | None = 1.0) -> Msg:
        """The next message, as stored. Raises nats' TimeoutError after `timeout` seconds."""
        until = time.monotonic() + (timeout or LOOK_AGAIN_S)
        subject = self._subject
        while True:
            found = await self._look(subject) if subject is not None else None
            if found is not None and (sequence := _sequence(found)) > self._told:
                self._told = sequence
                return found
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise NatsTimeoutError
            if found is None and subject is not None and subject != self._subject:
                await asyncio.sleep(STORED_WITHIN_S)  # heard before it was stored
                continue
            try:
                heard = await self._subscription.next_msg(timeout=min(left_s, LOOK_AGAIN_S))
                subject = heard.subject
            except NatsTimeoutError:
                subject = self._subject


def _sequence(message: Msg) -> int:
    text = (message.headers or {}).get("Nats-Sequence", "")
    return int(text) if text.isascii() and text.isdigit() else 0


async def woken(client: Client, pattern: str, look: Look) -> tuple[Subscription, WokenFeed]:
    """Begin to listen; unsubscribe when done."""
    subscription = await client.subscribe(pattern)
    await client.flush()
    return subscription, WokenFeed(subscription, pattern, look)
