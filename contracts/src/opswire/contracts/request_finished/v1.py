"""The one outcome of a request."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from opswire.contracts.findings import Candidates, IntentFinding
from opswire.contracts.message import Message, Part
from opswire.contracts.types import (
    ASSETS_MAX,
    COLUMNS_MAX,
    ROWS_MAX,
    AssetId,
    Cell,
    Code,
    FinishStatus,
    Name,
    RequestId,
)
from pydantic import Field, model_validator

Milliseconds = Annotated[float, Field(ge=0)]


class Answer(Part):
    """One plain sentence made from the rows, and the rows themselves. Every row has one cell per column."""

    summary: Annotated[str, Field(min_length=1, max_length=4_000)]
    columns: Annotated[list[Name], Field(max_length=COLUMNS_MAX)] | None = None
    rows: Annotated[list[Annotated[list[Cell], Field(max_length=COLUMNS_MAX)]], Field(max_length=ROWS_MAX)] | None = (
        None
    )

    @model_validator(mode="after")
    def _rows_fit_columns(self) -> Self:
        width = len(self.columns or [])
        if any(len(row) != width for row in self.rows or []):
            raise ValueError("every row needs one cell per column")
        return self


class AssetReference(Part):
    """An asset the answer speaks of, at the generation it was read."""

    id: AssetId
    name: Name
    type: Name
    environment: Name
    generation: Annotated[int, Field(ge=1, le=2**53 - 1)]


class Timings(Part):
    """Milliseconds from accepted (stored by the broker) to finished, and where they went.

    `bus` is what the services did not hold: waiting in streams and publishing. The parts add up to `total`.
    The nanosecond account is in the trace.
    """

    total: Milliseconds
    intent: Milliseconds = 0.0
    assets: Milliseconds = 0.0
    executor: Milliseconds = 0.0
    bus: Milliseconds = 0.0


class RequestFinished(Message):
    """How a request ended. Exactly one of these exists for every accepted request."""

    STEM: ClassVar[str] = "request_finished"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    status: FinishStatus
    reason: Code | None = None
    answer: Answer
    intent: IntentFinding | None = None
    assets: Annotated[list[AssetReference], Field(max_length=ASSETS_MAX)] = Field(default_factory=list)
    candidates: Candidates = Field(default_factory=list)
    timings: Timings
