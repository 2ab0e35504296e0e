"""A plan waits for people: what exactly would run, on what, why they are asked, and until when."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import StrictMessage, StrictPart
from opswire.contracts.plan_made.v2 import PlanMade
from opswire.contracts.types import (
    ASSETS_MAX,
    AssetId,
    Code,
    Digest,
    Name,
    Nanoseconds,
    RequesterKind,
    RequestId,
    ShortText,
    Text,
)
from pydantic import Field

Round = Annotated[int, Field(ge=1, le=100)]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ApprovalTarget(StrictPart):
    """One asset that a step of the plan touches, as it was when the approval was asked."""

    asset_id: AssetId
    name: Name
    type: Name
    environment: Name
    criticality: Annotated[str, Field(pattern=r"^(low|medium|high|critical)$")]
    address: Annotated[str, Field(max_length=256)] | None = None
    generation: Annotated[int, Field(ge=1, le=2**53 - 1)]


class Asker(StrictPart):
    """Who asked. The id is the upstream's own name for them; it proves nothing by itself."""

    id: Name
    kind: RequesterKind


class ApprovalRequested(StrictMessage):
    """One round of asking. A later round of the same request replaces it, since a target has changed meanwhile.

    Nobody may decide after `expires_ns`. `deadline_ns` takes the place of the request's own deadline: the window for
    deciding and the time that the plan may take after it. `nonce` is unlike any other round's.
    """

    STEM: ClassVar[str] = "approval_requested"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    round: Round
    text: Text
    plan: PlanMade
    targets: Annotated[list[ApprovalTarget], Field(max_length=ASSETS_MAX)]
    requester: Asker
    people_needed: Annotated[int, Field(ge=1, le=2)]
    role: Code
    reasons: Annotated[list[ShortText], Field(max_length=32)]
    policy_version: Digest
    asked_ns: Nanoseconds
    expires_ns: Nanoseconds
    deadline_ns: Nanoseconds
    nonce: Nonce
