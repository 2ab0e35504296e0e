"""One request, in words or as an event: its intent, or its outcome where nothing remains to be done."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opswire.contracts.findings import IntentFinding, Mark
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.request_finished import Answer, RequestFinished
from opswire.contracts.request_finished.endings import timings_of
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import FinishStatus, IntentSource
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of
from opswire.intent.usecases.read_event import EventReading, read_event


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the request was accepted, is due, and reached us, in nanoseconds since 1970."""

    accepted_ns: int
    deadline_ns: int
    received_ns: int

    def mark(self) -> Mark:
        """Our share of the time so far."""
        return Mark(service="intent", received_ns=self.received_ns, sent_ns=time.time_ns())


class AnswerRequest:
    """Finds what a request asks, or ends it: an event whose alerts are all resolved is completed here."""

    def __init__(self, find_intent: Callable[[str, int], Awaitable[IntentFinding]], names: NameIndex) -> None:
        self._find_intent = find_intent
        self._names = names

    async def __call__(self, request: RequestSubmitted, arrival: Arrival) -> IntentResolved | RequestFinished:
        """The intent, or the outcome. Raises the intent service's errors and those of inference."""
        if request.event is None:
            text = request.text or ""
            return self._resolved(request, arrival, text, await self._find_intent(text, arrival.deadline_ns))
        event = read_event(request.event, self._names)
        finding = self._event_finding(event)
        if event.is_resolved:
            return _nothing_to_do(request, arrival, event, finding)
        resolved = self._resolved(request, arrival, event.text, finding)
        return resolved.model_copy(update={"alerts": event.alerts})

    def _event_finding(self, event: EventReading) -> IntentFinding:
        """A firing alert asks why. That is a rule, not a guess: no text of the payload decides it."""
        name = IntentName.ALERTS_LIST if event.is_resolved else IntentName.DIAGNOSE_ISSUE
        risk = risk_of(name, event.entities, self._names, event.text)
        return IntentFinding(name=name, confidence=1.0, entities=event.entities, risk=risk, source=IntentSource.RULE)

    def _resolved(
        self, request: RequestSubmitted, arrival: Arrival, text: str, finding: IntentFinding
    ) -> IntentResolved:
        return IntentResolved(
            request_id=request.request_id,
            requester=request.requester,
            text=text,
            intent=finding,
            accepted_ns=arrival.accepted_ns,
            deadline_ns=arrival.deadline_ns,
            marks=[arrival.mark()],
        )


def _nothing_to_do(
    request: RequestSubmitted, arrival: Arrival, event: EventReading, finding: IntentFinding
) -> RequestFinished:
    mark = arrival.mark()
    return RequestFinished(
        request_id=request.request_id,
        status=FinishStatus.COMPLETED,
        answer=Answer(
            summary=f"{event.text}; nothing is left to do.",
            columns=["alert", "status", "severity", "summary"],
            rows=[[alert.name, alert.status, alert.severity, alert.summary] for alert in event.alerts],
        ),
        intent=finding,
        timings=timings_of(arrival.accepted_ns, mark.sent_ns, [mark]),
    )
