"""Submit one request and see it through: publish, follow, read the one outcome."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, new_trace_id
from opswire.cli.approvals import read_asked
from opswire.cli.bus import Accepted, Bus, finished_subject, progress_subject, submitted_subject
from opswire.cli.errors import CommandError, NoOutcomeError
from opswire.cli.values import shown_key
from opswire.contracts.envelope import Envelope, rfc3339
from opswire.contracts.message import message_type
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import FACTS, REQUEST_SUBMITTED

# A request ends at the latest a minute after its deadline; the rest is for the way back.
GRACE_S = 65.0
ACCEPT_TIMEOUT_S = 30.0

Progress = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Submission:
    """What is published: the key, the bytes as they are, and how long the outcome may take.

    `is_fresh`: nothing that a tool read for another request may answer.
    """

    source: str
    request_id: str
    body: bytes
    deadline_ms: int
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The finish of a request as JSON, and what this side measured."""

    source: str
    request_id: str
    accepted: Accepted
    finished: dict[str, Any]
    elapsed_ms: float

    def as_json(self) -> dict[str, Any]:
        """The finish with the source, whether the request was known before, and the time seen from here."""
        return {
            "source": self.source,
            **self.finished,
            "repeated": self.accepted.repeated,
            "elapsed_ms": round(self.elapsed_ms, 3),
        }


def headers_of(submission: Submission, span: Span) -> dict[str, str]:
    """The CloudEvents attributes of a request, its trace, and the id by which the broker knows a repeated publish."""
    subject = submitted_subject(submission.source, submission.request_id)
    # The digest belongs to the id: other bytes under the same request id must be refused, not taken for a repetition.
    return Envelope(
        id=submission.request_id,
        source=f"opswire/upstream/{submission.source}",
        type=message_type(RequestSubmitted),
        time=rfc3339(time.time_ns()),
        traceparent=span.traceparent,
        message_id=f"{subject}.{hashlib.sha256(submission.body).hexdigest()[:16]}",
        is_fresh=submission.is_fresh,
    ).to_headers()


def new_span(submission: Submission) -> Span:
    """The first span of the request's trace: from our publish to the broker's word."""
    return Span(
        f"send {REQUEST_SUBMITTED.template}",
        "PRODUCER",
        new_trace_id(),
        None,
        f"{submission.source}/{submission.request_id}",
        {"opswire.stage": Stage.INGRESS.value, "messaging.system": "nats"},
    )


def record(span: Span, trace_store: Path | None) -> None:
    """Put the finished span where the services put theirs; without a local store it is left out."""
    if trace_store is None or not trace_store.exists():
        return
    from opswire.chassis.sinks import SpanStore

    store = SpanStore(trace_store, "cli")
    store.write([span])
    store.close()


async def publish(bus: Bus, submission: Submission, span: Span) -> Accepted:
    """Publish and return once the broker has stored it. Errors as `Bus.store`."""
    subject = submitted_subject(submission.source, submission.request_id)
    patience_s = min(ACCEPT_TIMEOUT_S, submission.deadline_ms / 1_000)
    accepted = await bus.store(subject, submission.body, headers_of(submission, span), time.monotonic() + patience_s)
    span.end_ns = time.time_ns()
    return accepted


async def accept(bus: Bus, submission: Submission, trace_store: Path | None) -> Accepted:
    """Publish, note the span of it, and do not wait for the outcome."""
    span = new_span(submission)
    accepted = await publish(bus, submission, span)
    await note(span, accepted, trace_store)
    return accepted


async def note(span: Span, accepted: Accepted, trace_store: Path | None) -> None:
    """Record the span of a publish; a repeated one started no work and belongs to no trace."""
    if not accepted.repeated:
        await asyncio.to_thread(record, span, trace_store)


async def see_through(
    bus: Bus, submission: Submission, trace_store: Path | None, progress: Progress | None = None
) -> Outcome:
    """Publish a request and wait for its outcome, telling progress (service, what it does) on the way.

    Raises NoOutcomeError when no finish was stored within the deadline and 65 s, counted from the acceptance;
    otherwise as `accept`.
    """
    source, request_id = submission.source, submission.request_id
    watching = await bus.client.subscribe(progress_subject(source, request_id), cb=_teller(progress))
    async with bus.following(FACTS, finished_subject(source, request_id)) as feed:
        span = new_span(submission)
        began = time.monotonic()
        accepted = await publish(bus, submission, span)
        # From the acceptance, as the services count: the publish itself may have taken long.
        until = time.monotonic() + submission.deadline_ms / 1_000 + GRACE_S
        finished = await bus.finish(feed, source, request_id, until)
        elapsed_ms = (time.monotonic() - began) * 1_000
    await watching.unsubscribe()
    await note(span, accepted, trace_store)
    if finished is None:
        raise await no_outcome(bus, source, request_id)
    return Outcome(source, request_id, accepted, read_finish(finished), elapsed_ms)


def _teller(progress: Progress | None) -> Callable[[Msg], Awaitable[None]]:
    async def tell(message: Msg) -> None:
        if progress is None:
            return
        try:
            report = ProgressReported.from_bytes(message.data)
        except ValueError:
            return  # progress may be lost, and what cannot be read is lost
        progress(report.service, report.doing)

    return tell


async def no_outcome(bus: Bus, source: str, request_id: str) -> NoOutcomeError:
    """The request is stored and nobody has ended it: people are waited for, or something does not run."""
    key = shown_key(source, request_id)
    try:
        asked = await read_asked(bus, source, request_id)
    except CommandError:  # nobody was asked, or it cannot be read here: either way there is no outcome
        asked = None
    if asked is not None and asked.state(time.time_ns()) == "waiting":
        return NoOutcomeError(
            f"{key} waits for approval: {len(asked.given)} of {asked.request.people_needed} of the role "
            f"{asked.request.role} said a word; nothing is changed yet",
            f"opswire approvals show {key}; opswire cancel {key} takes it back",
        )
    return NoOutcomeError(f"{key} was accepted and has no outcome yet", f"opswire show {key}, and opswire doctor")


def read_finish(body: bytes) -> dict[str, Any]:
    """The finish as JSON, whatever release wrote it."""
    value = json.loads(body)
    return value if isinstance(value, dict) else {"status": "unreadable", "body": value}
