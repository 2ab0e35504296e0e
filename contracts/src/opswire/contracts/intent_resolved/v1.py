"""What is asked, found out by the intent service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.findings import AlertSummary, IntentFinding, Marks, Requester
from opswire.contracts.message import Message
from opswire.contracts.types import Nanoseconds, RequestId, Text
from pydantic import Field


class IntentResolved(Message):
    """The intent of a request, with what the next stages need of the request itself."""

    STEM: ClassVar[str] = "intent_resolved"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    requester: Requester
    text: Text
    intent: IntentFinding
    alerts: Annotated[list[AlertSummary], Field(max_length=100)] = Field(default_factory=list)
    accepted_ns: Nanoseconds
    deadline_ns: Nanoseconds
    marks: Marks = Field(default_factory=list)
