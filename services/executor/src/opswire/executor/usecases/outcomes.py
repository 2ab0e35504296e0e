"""What became of one step: its records, or its error as a record."""

from __future__ import annotations

from dataclasses import dataclass

from opswire.chassis.errors import OpswireError
from opswire.executor.rules.tools import Record, ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Exactly one of `result` and `error` is set. `age_s` is set where the result is one that was kept."""

    call: ToolCall
    result: ToolResult | None = None
    error: OpswireError | None = None
    age_s: float | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """The rows this step adds to the answer."""
        if self.result is not None:
            return self.result.records
        if self.error is None:
            return ()
        where = self.call.asset.name if self.call.asset else None
        return ({"asset": where, "check": self.call.step.tool, "error": f"{self.error.code}: {self.error}"},)

    @property
    def found(self) -> tuple[Record, ...]:
        """The rows without the error's."""
        return self.result.records if self.result is not None else ()
