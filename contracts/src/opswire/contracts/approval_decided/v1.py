"""How one round of asking for approval ended."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from opswire.contracts.approval_requested.v1 import Round
from opswire.contracts.message import Message
from opswire.contracts.types import Code, Digest, Name, Nanoseconds, RequestId, ShortText
from pydantic import Field


class ApprovalDecided(Message):
    """The one decision of a round: `granted` lets exactly the plan of this digest run, the others let nothing run.

    `void`: a target changed, or the request was cancelled. `people` are the names behind the approvals that counted.
    """

    STEM: ClassVar[str] = "approval_decided"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    round: Round
    outcome: Literal["granted", "denied", "void", "expired"]
    plan_digest: Digest
    people: Annotated[list[Name], Field(max_length=8)] = Field(default_factory=list)
    code: Code | None = None
    reason: ShortText = ""
    decided_ns: Nanoseconds
