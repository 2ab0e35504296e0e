"""Builds the outcome of a request that ends early, and the timings of any outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opswire.contracts.failure import Failure
from opswire.contracts.findings import Candidate, IntentFinding, Mark
from opswire.contracts.request_finished.v1 import Answer, RequestFinished, Timings

NANOSECONDS_IN_MILLISECOND = 1_000_000


class Known(Protocol):
    """What a fact that was read already tells about its request."""

    @property
    def intent(self) -> IntentFinding:
        """The intent found."""

    @property
    def accepted_ns(self) -> int:
        """When the broker stored the request."""

    @property
    def marks(self) -> list[Mark]:
        """When each service had it."""


def timings_of(accepted_ns: int, finished_ns: int, marks: Sequence[Mark]) -> Timings:
    """Milliseconds by service; what no service held is the bus. The parts add up to the total."""
    total_ns = max(0, finished_ns - accepted_ns)
    held_ns = {"intent": 0, "assets": 0, "executor": 0}
    for mark in marks:
        if mark.service in held_ns:
            held_ns[mark.service] += max(0, mark.sent_ns - mark.received_ns)
    bus_ns = max(0, total_ns - sum(held_ns.values()))
    parts = {service: ns / NANOSECONDS_IN_MILLISECOND for service, ns in held_ns.items()}
    bus = bus_ns / NANOSECONDS_IN_MILLISECOND
    return Timings(total=sum(parts.values()) + bus, bus=bus, **parts)


def ended(
    request_id: str,
    failure: Failure,
    accepted_ns: int,
    finished_ns: int,
    known: Known | None = None,
    candidates: Sequence[Candidate] = (),
    mark: Mark | None = None,
) -> RequestFinished:
    """The outcome of a request without an answer: the failure's status and code, its detail as the summary."""
    marks = [*(known.marks if known is not None else ()), *([mark] if mark is not None else ())]
    return RequestFinished(
        request_id=request_id,
        status=failure.status,
        reason=failure.code,
        answer=Answer(summary=failure.detail or failure.code.replace("_", " ")),
        intent=known.intent if known is not None else None,
        candidates=list(candidates),
        timings=timings_of(known.accepted_ns if known is not None else accepted_ns, finished_ns, marks),
    )
