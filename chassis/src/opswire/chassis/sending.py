"""Sends messages: envelope, PRODUCER span, and the right kind of publish for the route."""

from __future__ import annotations

import time

from nats.errors import Error as NatsError
from opswire.chassis.errors import Disposition, OpswireError
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import Publisher
from opswire.chassis.redaction import redactor
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, span
from opswire.chassis.wire import WireClient
from opswire.contracts.envelope import (
    HEADER_DEADLINE,
    HEADER_ID,
    HEADER_MESSAGE_ID,
    HEADER_TIME,
    HEADER_TRACEPARENT,
    Envelope,
    rfc3339,
)
from opswire.contracts.message import Message, StrictMessage
from opswire.contracts.route import Route


class SecretInMessageError(OpswireError):
    """A secret that was resolved here stands where a message cannot do without it: in a plan, or as a name."""

    code = "secret_in_message"
    disposition = Disposition.REJECT


class Sender:
    """What a service publishes with. One per process."""

    def __init__(self, service: str, client: WireClient, publisher: Publisher, facts: Facts) -> None:
        self._source = f"/opswire/{service}"
        self._client = client
        self.publisher = publisher
        self._constant_lines: dict[str, str] = {}
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

        Raises RetryableError when the broker stays away, PublishRefusedError when it will never take it,
        SecretInMessageError.
        """
        body = _without_secrets(message)
        identity = None if route.once else message_id or subject  # a fact's identity is its own affair
        name = f"send {route.template}"
        with span(name, Stage.PUBLISH_ACK, _attributes(route, subject), kind="PRODUCER") as current:
            header = self._header(route, current, identity, deadline_ns, extra_headers)
            if route.ends_request:
                current.attributes.update(_ending(message))
            if route.once:
                fact = await self.facts.publish(subject, header, body)
                current.attributes["messaging.nats.stream.sequence"] = fact.sequence
                current.attributes["opswire.published"] = fact.ours
                return fact.ours
            stored = await self.publisher.publish(subject, header, body)
            current.attributes["messaging.nats.stream.sequence"] = stored.sequence
            return True

    def _header(
        self, route: Route, current: Span, message_id: str | None, deadline_ns: int | None, extra: dict[str, str] | None
    ) -> bytes:
        """The envelope as header lines: what never changes for a route is encoded once.

        Values come from subjects that the broker accepted, from us, or from numbers: none can hold a line break.
        """
        constant = self._constant_lines.get(route.stem)
        if constant is None:
            constant = _lines(Envelope(source=self._source, type=route.type).to_headers())
            self._constant_lines[route.stem] = constant
        text = (
            f"{constant}{HEADER_ID}: {current.span_id}\r\n{HEADER_TIME}: {rfc3339(time.time_ns())}\r\n"
            f"{HEADER_TRACEPARENT}: {current.traceparent}\r\n"
        )
        if message_id is not None:
            text += f"{HEADER_MESSAGE_ID}: {message_id}\r\n"
        if deadline_ns is not None:
            text += f"{HEADER_DEADLINE}: {deadline_ns // 1_000_000}\r\n"
        if extra:
            text += _lines(extra)
        return text.encode()

    async def mention(self, subject: str, message: Message) -> None:
        """Publish without an acknowledgement. It may be lost; never raises."""
        try:
            self._client.publish_now(subject, "", b"", _without_secrets(message))
        except (NatsError, SecretInMessageError):
            return


def _without_secrets(message: Message) -> bytes:
    """The body without any secret that was resolved in this process; nothing is done while there is none.

    What is signed or carried out is never changed, it is refused. Raises SecretInMessageError.
    """
    body = message.to_bytes()
    clean = redactor.known_in(body)
    if clean is body:
        return body
    try:
        if isinstance(message, StrictMessage):
            raise ValueError
        return type(message).from_bytes(clean).to_bytes()
    except ValueError:
        raise SecretInMessageError(f"a {message.STEM} would hold a secret and cannot be sent without it") from None


def _attributes(route: Route, subject: str) -> dict[str, str | int | float | bool]:
    return {
        "messaging.system": "nats",
        "messaging.operation.type": "send",
        "messaging.destination.name": subject,
        "messaging.destination.template": route.template,
    }


def _ending(message: Message) -> dict[str, str | int | float | bool]:
    """What the last span of a request says of it as a whole."""
    timings = getattr(message, "timings", None)
    total_ms = float(getattr(timings, "total", 0.0))
    return {"opswire.outcome": str(getattr(message, "status", "")), "opswire.request.duration_ms": total_ms}


def _lines(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
