"""The tools for whoever only reads: one that changes something is not run from here, whatever a plan says of it.

Together with the claim protocol, which alone is given the whole table, this is why no tool that changes something runs
without a claim: a step's own word on its effect is not believed, the catalogue's is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from opswire.executor.errors import ApprovalRequiredError
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult, Tools


class ReadingTools(Mapping[str, Tool]):
    """A view of the table by the catalogue in force."""

    def __init__(self, tools: Tools, catalogue: Callable[[], Catalogue]) -> None:
        self._tools = tools
        self._catalogue = catalogue

    def __getitem__(self, name: str) -> Tool:
        tool = self._tools[name]
        entry = self._catalogue().find(name)
        return _refuse if entry is None or entry.changes else tool

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)


async def _refuse(call: ToolCall) -> ToolResult:
    raise ApprovalRequiredError(f"{call.step.tool} changes something; only the claim protocol runs it.")
