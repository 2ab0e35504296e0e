"""Stores one message of the cache protocol in its stream, for those who have no `Sender`."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import orjson
from opswire.chassis.publisher import BrokerAwayError, PublishRefusedError
from opswire.contracts.envelope import Envelope, rfc3339
from opswire.contracts.message import Message
from opswire.contracts.route import Route

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

STORE_TIMEOUT_S = 2.0


async def store(bus: Bus, service: str, route: Route, subject: str, message: Message) -> int:
    """The sequence of the stored message. Raises nats' errors, TimeoutError, BrokerAwayError or PublishRefusedError."""
    own_id, now = secrets.token_hex(8), rfc3339(time.time_ns())
    headers = Envelope(id=own_id, source=f"/opswire/{service}", type=route.type, time=now).to_headers()
    reply = await bus.client.request(subject, message.to_bytes(), timeout=STORE_TIMEOUT_S, headers=headers)
    if not reply.data:
        raise BrokerAwayError(f"nobody takes {subject}: is the stream provisioned?")
    answer = orjson.loads(reply.data)
    if "error" in answer:
        raise PublishRefusedError(f"the broker refuses {subject}: {answer['error'].get('description')}")
    return int(answer["seq"])
