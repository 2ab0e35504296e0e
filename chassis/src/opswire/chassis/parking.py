"""Keeps poison messages: the original bytes, the headers, why, and how often they were tried."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import TYPE_CHECKING

from nats.aio.msg import Msg
from opswire.chassis.errors import OpswireError
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics
from opswire.chassis.sending import Sender
from opswire.contracts.message_parked import MessageParked
from opswire.contracts.route import Consumer, Route
from opswire.contracts.routes import MESSAGE_PARKED

if TYPE_CHECKING:
    from opswire.chassis.delivery import Delivery

HEADERS_CHARACTERS_KEPT = 65_536


class Parking:
    """Writes parked records for one service."""

    def __init__(self, service: str, sender: Sender, metrics: Metrics) -> None:
        self._service = service
        self._sender = sender
        self._metrics = metrics

    async def park(
        self, route: Route, consumer: Consumer, message: Msg, delivery: Delivery, error: OpswireError
    ) -> str:
        """Store the record durably and answer its id, the same for the same message. Raises RetryableError."""
        place = f"{route.stream}/{consumer.durable}/{delivery.stream_sequence}/{delivery.stored_ns}"
        parked_id = hashlib.sha256(place.encode()).hexdigest()[:24]
        record = MessageParked(
            parked_id=parked_id,
            service=self._service,
            stream=route.stream,
            stream_sequence=delivery.stream_sequence,
            consumer=consumer.durable,
            subject=message.subject[:1_000],
            code=error.code,
            detail=str(error)[:2_000],
            delivery_attempts=delivery.attempt,
            headers=_bounded(message.headers or {}),
            body_base64=base64.b64encode(message.data).decode(),
            parked_ns=time.time_ns(),
        )
        subject = MESSAGE_PARKED.subject(service=self._service, parked_id=parked_id)
        await self._sender.send(MESSAGE_PARKED, subject, record)
        self._metrics.parked.labels(error.code).inc()
        get_logger().warning("message parked", parked_id=parked_id, code=error.code, subject=message.subject)
        return parked_id


def _bounded(headers: dict[str, str]) -> dict[str, str]:
    """The headers up to 64 kB of text; what does not fit is named in a last entry, not silently dropped."""
    kept: dict[str, str] = {}
    characters = 0
    for name, value in headers.items():
        characters += len(name) + len(value)
        if characters > HEADERS_CHARACTERS_KEPT:
            kept["opswire-headers-cut"] = f"{len(headers) - len(kept)} headers did not fit"
            break
        kept[name] = value
    return kept
