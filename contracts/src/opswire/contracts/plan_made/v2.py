"""What the executor will do, fixed and hashed before it reads anything untrusted."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from opswire.contracts.message import StrictMessage, StrictPart
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import PLAN_STEPS_MAX, AssetId, Digest, Integer, Name, RequestId, Risk
from pydantic import Field

ArgumentText = Annotated[str, Field(max_length=8_000)]
Argument = ArgumentText | Integer | bool | Annotated[list[ArgumentText], Field(max_length=64)]
Arguments = Annotated[dict[Name, Argument], Field(max_length=32)]
ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,31}(\.[a-z][a-z0-9_]{0,31}){1,3}$", max_length=64)]
StepNumber = Annotated[int, Field(ge=1, le=PLAN_STEPS_MAX)]
TimeoutMs = Annotated[int, Field(ge=1, le=86_400_000)]


class Call(StrictPart):
    """A call that belongs to a step and has its asset: the probe that verifies it, or what would undo it."""

    tool: ToolName
    arguments: Arguments = Field(default_factory=dict)
    timeout_ms: TimeoutMs


class Step(StrictPart):
    """One call of one tool on at most one asset, with its own time limit.

    `after` are the numbers of steps that must have succeeded before. `on_failure` says whether steps that are not
    begun yet are still run. `verification` only reads; `reverse` is shown to whoever approves and never run by itself.
    """

    number: StepNumber
    tool: ToolName
    effect: Effect
    risk: Risk = Risk.LOW
    asset_id: AssetId | None = None
    asset_generation: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None
    arguments: Arguments = Field(default_factory=dict)
    timeout_ms: TimeoutMs
    after: Annotated[list[StepNumber], Field(max_length=PLAN_STEPS_MAX)] = Field(default_factory=list)
    on_failure: Literal["stop", "continue"] = "stop"
    verification: Call | None = None
    reverse: Call | None = None


class PlanMade(StrictMessage):
    """The plan of a request. `digest` is the SHA-256 of the canonical JSON of `steps` (sorted keys, no white space)."""

    STEM: ClassVar[str] = "plan_made"
    VERSION: ClassVar[int] = 2

    request_id: RequestId
    intent: IntentName
    steps: Annotated[list[Step], Field(max_length=PLAN_STEPS_MAX)]
    digest: Digest
