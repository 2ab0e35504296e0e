"""What a tool is: a coroutine that takes one call and gives back records. Adapters fill the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.types import Cell
from opswire.executor.errors import BadArgumentError

Record = Mapping[str, Cell]


class Judgement(StrEnum):
    """What a verification found. Unknown is neither, and is said."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a change did what it should, and a sentence that says by what that was seen."""

    status: Judgement
    detail: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool found: records by column name, and a remark on what was left out or read otherwise.

    `verdict` is what a verification found; other tools have none.
    """

    records: tuple[Record, ...]
    note: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One step with the assets it speaks of, looked up in the context. Addresses come from these assets only.

    `verifies` is what the change returned that this call verifies; None after a crash, when nobody knows. `on_output`
    is told what a command prints, as it comes.
    """

    step: Step
    context: ContextResolved
    asset: Asset | None = None
    host: Asset | None = None
    target: Asset | None = None
    verifies: ToolResult | None = None
    on_output: Callable[[str], None] | None = None

    def text(self, name: str) -> str:
        """A text argument. Raises BadArgumentError when it is absent or is no text."""
        value = self.step.arguments.get(name)
        if not isinstance(value, str):
            raise BadArgumentError(f"{self.step.tool} needs the text argument {name!r}")
        return value

    def number(self, name: str) -> int:
        """A number argument. Raises BadArgumentError when it is absent or is no number."""
        value = self.step.arguments.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadArgumentError(f"{self.step.tool} needs the number argument {name!r}")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts. Raises BadArgumentError when it is absent or is none."""
        value = self.step.arguments.get(name)
        if not isinstance(value, list):
            raise BadArgumentError(f"{self.step.tool} needs the list {name!r}")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text argument, or None where it is absent. Raises BadArgumentError when it is no text."""
        return self.text(name) if name in self.step.arguments else None

    def optional_number(self, name: str) -> int | None:
        """A number argument, or None where it is absent. Raises BadArgumentError when it is no number."""
        return self.number(name) if name in self.step.arguments else None

    @property
    def step_id(self) -> str:
        """Names this step among all steps of all requests: what it leaves on a host carries it."""
        return f"{self.context.request_id}-{self.step.number}"

    def port(self) -> int:
        """The argument `port`, 1 to 65535. Raises BadArgumentError."""
        port = self.number("port")
        if not 1 <= port <= 65535:
            raise BadArgumentError(f"{port} is not a port")
        return port

    def needed_asset(self) -> Asset:
        """The step's asset. Raises BadArgumentError when the step names none."""
        if self.asset is None:
            raise BadArgumentError(f"{self.step.tool} needs an asset of the request's context")
        return self.asset

    def needed_host(self) -> Asset:
        """The host that the step's asset is or lives on. Raises BadArgumentError."""
        if self.host is None:
            raise BadArgumentError(f"the inventory names no host for {self.needed_asset().name}")
        return self.host

    def needed_target(self) -> Asset:
        """The asset that the argument `target_asset_id` names. Raises BadArgumentError."""
        if self.target is None:
            raise BadArgumentError(f"{self.step.tool} needs a target of the request's context")
        return self.target


Tool = Callable[[ToolCall], Awaitable[ToolResult]]
Tools = Mapping[str, Tool]

ANSWERED_FROM_CONTEXT = frozenset({"inventory.list", "inventory.count", "inventory.get", "system.help"})
"""Tools that read the context and nothing else."""


def reaches_out(plan: PlanMade) -> bool:
    """Whether any step leaves the executor. A plan that does not has nothing to fix before untrusted data is read."""
    return any(step.tool not in ANSWERED_FROM_CONTEXT for step in plan.steps)
