"""Sends messages: envelope, PRODUCER span, and the right kind of publish for the route."""

from __future__ import annotations

import time

from nats.aio.client import Client
from nats.errors import Error as NatsError
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import Publisher
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.envelope import Envelope, rfc3339
from opswire.contracts.message import Message
from opswire.contracts.route import Route


class Sender:
    """What a service publishes with. One per process."""

    def __init__(self, service: str, client: Client, publisher: Publisher, facts: Facts) -> None:
        self._source = f"/opswire/{service}"
        self._client = client
        self._publisher = publisher
        self.facts = facts

    async def send(
        self,
        route: Route,
        subject: str,
        message: Message,
        deadline_ns: int | None = None,
        message_id: str | None = None,
        extra_headers: dict[str, str] | None = None,
    ) -> bool:
        """Store `message` on `subject`, durably acknowledged. False when another fact stands there already.

        Raises RetryableError when the broker stays away, PublishRefusedError when it will never take it.
        """
        body = message.to_bytes()
        name = f"send {route.template}"
        with span(name, Stage.PUBLISH_ACK, _attributes(route, subject), kind="PRODUCER") as current:
            headers = Envelope(
                id=current.span_id,
                source=self._source,
                type=route.type,
                time=rfc3339(time.time_ns()),
                traceparent=current.traceparent,
                message_id=message_id or subject,
                deadline_ms=deadline_ns // 1_000_000 if deadline_ns is not None else None,
            ).to_headers()
            if extra_headers:
                headers.update(extra_headers)
            if (status := getattr(message, "status", None)) is not None:
                current.attributes["opswire.outcome"] = str(status)
            if route.once:
                fact = await self.facts.publish(subject, body, headers)
                current.attributes["messaging.nats.stream.sequence"] = fact.sequence
                current.attributes["opswire.published"] = fact.ours
                return fact.ours
            stored = await self._publisher.publish(subject, body, headers)
            current.attributes["messaging.nats.stream.sequence"] = stored.sequence
            return True

    async def mention(self, subject: str, message: Message) -> None:
        """Publish without an acknowledgement. It may be lost; never raises."""
        try:
            await self._client.publish(subject, message.to_bytes())
        except NatsError:
            return


def _attributes(route: Route, subject: str) -> dict[str, str | int | float | bool]:
    return {
        "messaging.system": "nats",
        "messaging.operation.type": "send",
        "messaging.destination.name": subject,
        "messaging.destination.template": route.template,
    }
