"""What became of a step that changes something."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from opswire.contracts.message import Message, Part
from opswire.contracts.plan_made.v2 import StepNumber, ToolName
from opswire.contracts.step_claimed.v1 import RunId
from opswire.contracts.types import Cell, Code, Name, Nanoseconds, RequestId, ShortText
from pydantic import Field

Row = Annotated[dict[Name, Cell], Field(max_length=32)]
Rows = Annotated[list[Row], Field(max_length=100)]


class Verified(Part):
    """What the probe after a write found: `unknown` where it could not be asked."""

    tool: ToolName
    status: Literal["pass", "fail", "unknown"]
    detail: ShortText = ""
    rows: Rows = Field(default_factory=list)


class StepFinished(Message):
    """The one outcome of a step. `unknown`: its run was lost, and whether the step did its work nobody here knows.

    `skipped`: it was never begun, and `code` says why. `rows` are what the tool said; above the tool's limit they are
    cut, and `output_reference` names where the whole lies in the object store.
    """

    STEM: ClassVar[str] = "step_finished"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    number: StepNumber
    run_id: RunId
    status: Literal["succeeded", "failed", "unknown", "skipped"]
    code: Code | None = None
    detail: ShortText = ""
    rows: Rows = Field(default_factory=list)
    note: ShortText = ""
    output_reference: ShortText | None = None
    verification: Verified | None = None
    started_ns: Nanoseconds
    finished_ns: Nanoseconds
