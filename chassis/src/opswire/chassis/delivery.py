"""One message, from received to settled: read, check the deadline, handle, then acknowledge by the error's class.

Acknowledgement comes last and no promise rests on it: a message that is delivered again finds its facts published and
changes nothing.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opswire.chassis.errors import DeadlineError, Disposition, OpswireError, PoisonError, RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics
from opswire.chassis.parking import Parking
from opswire.chassis.reading import UPSTREAM, read_message
from opswire.chassis.sending import Sender
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, remote_child, span
from opswire.chassis.wire import WireClient
from opswire.contracts.envelope import FRESH, HEADER_FRESH, HEADER_TRACEPARENT, Envelope
from opswire.contracts.findings import Mark
from opswire.contracts.message import Message
from opswire.contracts.route import Consumer, Route
from opswire.contracts.types import REQUEST_ID_PATTERN, SOURCE_PATTERN

_SOURCE = re.compile(SOURCE_PATTERN[1:-1])
_REQUEST_ID = re.compile(REQUEST_ID_PATTERN[1:-1])
ATTEMPTS_MAX = 25
RETRY_DELAY_S_MAX = 10.0
COMPUTE_STAGES = {
    "intent": Stage.INTENT_COMPUTE,
    "assets": Stage.ASSETS_COMPUTE,
    "executor": Stage.EXECUTOR_COMPUTE,
}


class AttemptsExhaustedError(OpswireError):
    """The message was tried as often as messages are; it is parked and its request fails."""

    code = "attempts_exhausted"
    disposition = Disposition.PARK


class BadSubjectError(PoisonError):
    """The subject names a source or request id outside the allowed patterns: nobody could be answered."""

    code = "bad_subject"


class UnexpectedError(OpswireError):
    """A fault of ours that no class describes. Tried a few times more, then parked."""

    code = "internal_error"
    disposition = Disposition.RETRY


@dataclass(slots=True)
class Delivery:
    """What a handler knows of its message besides the body. Times are nanoseconds since 1970."""

    route: Route
    subject: str
    variables: dict[str, str]
    envelope: Envelope
    attempt: int
    stream_sequence: int
    stored_ns: int
    received_ns: int
    sender: Sender
    span: Span
    message: Message | None = None
    """The body, once it could be read."""

    @property
    def deadline_ns(self) -> int | None:
        """When the request's time is up, as the header says; None on an upstream's own message."""
        return self.envelope.deadline_ms * 1_000_000 if self.envelope.deadline_ms is not None else None

    @property
    def has_valid_key(self) -> bool:
        """Whether source and request id are ones that an answer can be addressed to."""
        source, request_id = self.variables.get("source", ""), self.variables.get("request_id", "")
        return _SOURCE.fullmatch(source) is not None and _REQUEST_ID.fullmatch(request_id) is not None

    async def publish(self, route: Route, message: Message, *, deadline_ns: int | None = None) -> bool:
        """Send a message about the same request. Facts exist once: False when somebody else's fact stands already.

        Raises RetryableError when the broker stays away.
        """
        subject = route.subject(**self.variables)
        fresh = {HEADER_FRESH: FRESH} if self.envelope.is_fresh else None  # the wish goes with the request
        return await self.sender.send(route, subject, message, deadline_ns or self.deadline_ns, extra_headers=fresh)

    def mark(self, service: str) -> Mark:
        """From received until now, for the timings of the outcome."""
        return Mark(service=service, received_ns=self.received_ns, sent_ns=time.time_ns())

    async def report(self, route: Route, message: Message) -> None:
        """Send progress: no acknowledgement, may be lost, never raises."""
        await self.sender.mention(route.subject(**self.variables), message)


Handler = Callable[[Any, Delivery], Awaitable[None]]
EndRequest = Callable[[Delivery, OpswireError], Awaitable[None]]


class Deliveries:
    """Handles the messages of one route for one service."""

    def __init__(
        self,
        service: str,
        route: Route,
        consumer: Consumer,
        handler: Handler,
        end_request: EndRequest | None,
        client: WireClient,
        sender: Sender,
        parking: Parking,
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._route = route
        self._consumer = consumer
        self._handler = handler
        self._end_request = end_request
        self._client = client
        self._sender = sender
        self._parking = parking
        self._stage = COMPUTE_STAGES.get(service, Stage.UNATTRIBUTED)
        self._loop_lag = metrics.loop_lag
        self._redelivered = metrics.redelivered.labels(route.stem)
        verdicts = ("ack", *(disposition.value for disposition in Disposition))
        self._handled = {verdict: metrics.handled.labels(route.stem, verdict) for verdict in verdicts}
        self._carries_request = "{request_id}" in route.template
        self._span_name = f"process {route.template}"
        self.in_progress: dict[str, Msg] = {}
        metrics.in_flight.labels(route.stem).set_function(lambda: len(self.in_progress))

    async def handle(self, message: Msg) -> None:
        """Take one raw message through to its settlement. Never raises, except for cancellation."""
        received_ns = time.time_ns()
        attempt, sequence, stored_ns = ack_metadata(message.reply)
        self.in_progress[message.reply] = message  # by delivery: a message may be given to us again while we hold it
        try:
            with self._open_span(message, attempt, sequence, stored_ns) as process:
                verdict, delay_s = await self._attempt(message, process, received_ns, attempt, sequence, stored_ns)
                with span("settle", self._stage, {"messaging.operation.name": verdict}):
                    self._settle(message, verdict, delay_s)
                process.attributes["opswire.event_loop.lag_ms"] = self._loop_lag.latest_ms
        finally:
            self.in_progress.pop(message.reply, None)
        self._handled[verdict].inc()

    def _open_span(self, message: Msg, attempt: int, sequence: int, stored_ns: int) -> Span:
        traceparent = message.headers.get(HEADER_TRACEPARENT) if message.headers else None
        return remote_child(
            self._span_name,
            traceparent,
            self._request_key(message.subject),
            {
                "opswire.stage": self._stage,
                "messaging.system": "nats",
                "messaging.operation.type": "process",
                "messaging.destination.name": message.subject,
                "messaging.destination.template": self._route.template,
                "messaging.consumer.group.name": self._consumer.durable,
                "messaging.nats.stream.sequence": sequence,
                "messaging.nats.message.delivery_attempt": attempt,
                "messaging.nats.message.stored_time": stored_ns,
            },
        )

    def _request_key(self, subject: str) -> str | None:
        if not self._carries_request:
            return None
        tokens = subject.split(".")
        return f"{tokens[2]}/{tokens[3]}"

    async def _attempt(
        self, message: Msg, process: Span, received_ns: int, attempt: int, sequence: int, stored_ns: int
    ) -> tuple[str, float]:
        """Read and handle; answers what to tell the broker, and the delay in seconds for `retry`."""
        delivery = Delivery(
            self._route,
            message.subject,
            self._route.variables(message.subject),
            Envelope(),
            attempt,
            sequence,
            stored_ns,
            received_ns,
            self._sender,
            process,
        )
        if attempt > 1:
            self._redelivered.inc()
        try:
            if self._carries_request and not delivery.has_valid_key:
                raise BadSubjectError("source or request id in the subject is not one that can be answered")
            body, delivery.envelope = read_message(self._route, message.data, message.headers)
            delivery.message = body
            self._check_deadline(delivery)
            await self._handler(body, delivery)
        except OpswireError as error:
            return await self._decide(error, message, delivery)
        except Exception as error:  # noqa: BLE001  the last line of defence: nothing may be lost by a fault of ours
            get_logger().exception("handler failed", message=self._route.stem, subject=message.subject)
            process.set("error.type", type(error).__name__)
            return await self._decide(UnexpectedError(f"{type(error).__name__} in {self._service}"), message, delivery)
        return "ack", 0.0

    def _check_deadline(self, delivery: Delivery) -> None:
        if self._deadline_is_over(delivery):
            raise DeadlineError("the deadline had passed before the work began")

    async def _decide(self, error: OpswireError, message: Msg, delivery: Delivery) -> tuple[str, float]:
        delivery.span.status = "ERROR" if error.disposition is not Disposition.REJECT else "UNSET"
        delivery.span.set("opswire.failure.code", error.code)
        limit = 5 if isinstance(error, UnexpectedError) else ATTEMPTS_MAX
        over = self._deadline_is_over(delivery)
        if error.disposition is Disposition.RETRY and delivery.attempt < limit and not over:
            return "retry", retry_delay_s(delivery.attempt)
        if error.disposition is Disposition.RETRY and over and not isinstance(error, UnexpectedError):
            error = DeadlineError(f"the deadline passed while waiting: {error}")
        elif error.disposition is Disposition.RETRY:
            error = AttemptsExhaustedError(f"given up after {delivery.attempt} attempts: {error}")
        try:
            if error.disposition is Disposition.PARK:
                await self._parking.park(self._route, self._consumer, message, delivery, error)
            if self._end_request is not None and delivery.has_valid_key:
                await self._end_request(delivery, error)
        except RetryableError:
            return "retry", retry_delay_s(delivery.attempt)
        except Exception:  # noqa: BLE001  neither parked nor ended: kept in the stream, tried again, loudly
            get_logger().exception("cannot end a failed message", subject=message.subject, code=error.code)
            return "retry", RETRY_DELAY_S_MAX
        return error.disposition.value, 0.0

    def _deadline_is_over(self, delivery: Delivery) -> bool:
        # An upstream's deadline is in its body; its headers are not believed.
        deadline_ns = None if UPSTREAM in self._route.senders else delivery.deadline_ns
        return deadline_ns is not None and time.time_ns() >= deadline_ns

    def _settle(self, message: Msg, verdict: str, delay_s: float) -> None:
        answer = b'-NAK {"delay": %d}' % int(delay_s * 1e9) if verdict == "retry" else b"+ACK"
        try:
            self._client.publish_now(message.reply, "", b"", answer)
        except NatsError as error:
            get_logger().info("not settled, it comes again", subject=message.subject, error=str(error))


def retry_delay_s(attempt: int) -> float:
    """0.1 s doubled with each attempt up to 10 s, times a random factor between 0.5 and 1.5."""
    return min(0.1 * float(2 ** min(attempt, 10)), RETRY_DELAY_S_MAX) * random.uniform(0.5, 1.5)  # noqa: S311


def ack_metadata(reply: str) -> tuple[int, int, int]:
    """Delivery attempt, stream sequence and stored time (ns) from `$JS.ACK.…`: 9 tokens, or 12 with a domain."""
    tokens = reply.split(".")
    offset = 4 if len(tokens) < 12 else 6
    return int(tokens[offset]), int(tokens[offset + 1]), int(tokens[offset + 3])


def consumer_sequence(reply: str) -> int:
    """The place of a delivery among all of its consumer, from `$JS.ACK.…`: without a gap nothing was lost."""
    tokens = reply.split(".")
    return int(tokens[6 if len(tokens) < 12 else 8])
