"""What the executor will do, fixed and hashed before it reads anything untrusted."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import StrictMessage, StrictPart
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import STEPS_MAX, AssetId, Digest, Integer, Name, RequestId
from pydantic import Field

Argument = Annotated[str, Field(max_length=1_000)] | Integer | bool


class Step(StrictPart):
    """One call of one tool on at most one asset, with its own time limit."""

    number: Annotated[int, Field(ge=1, le=STEPS_MAX)]
    tool: Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z_]+)+$", max_length=64)]
    effect: Effect
    asset_id: AssetId | None = None
    asset_generation: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None
    arguments: Annotated[dict[Name, Argument], Field(max_length=32)] = Field(default_factory=dict)
    timeout_ms: Annotated[int, Field(ge=1, le=86_400_000)]


class PlanMade(StrictMessage):
    """The plan of a request. `digest` is the SHA-256 of the canonical JSON of `steps` (sorted keys, no white space)."""

    STEM: ClassVar[str] = "plan_made"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    intent: IntentName
    steps: Annotated[list[Step], Field(max_length=STEPS_MAX)]
    digest: Digest
