"""The tools for whoever only reads: one that changes something is not run from here, whatever a plan says of it.

Together with the claim protocol, which alone is given the whole table, this is why no tool that changes something runs
without a claim: a step's own word on its effect is not believed, the catalogue's is.

Where executors are stopped, what looks is ended at once and nothing more is begun, but for what asks nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from opswire.executor.adapters.modes import STOPPED, Modes
from opswire.executor.errors import ApprovalRequiredError, StoppedError
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.tools import ANSWERED_FROM_CONTEXT, Tool, ToolCall, ToolResult, Tools


class ReadingTools(Mapping[str, Tool]):
    """A view of the table by the catalogue in force."""

    def __init__(self, tools: Tools, catalogue: Callable[[], Catalogue], modes: Modes) -> None:
        self._tools = tools
        self._catalogue = catalogue
        self._modes = modes
        self._running: set[asyncio.Future[ToolResult]] = set()
        modes.on_stopped.append(self._end_all)

    def __getitem__(self, name: str) -> Tool:
        tool = self._tools[name]
        entry = self._catalogue().find(name)
        if entry is None or entry.changes:
            return _refuse
        return tool if name in ANSWERED_FROM_CONTEXT else self._unless_stopped(tool)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def _unless_stopped(self, tool: Tool) -> Tool:
        async def run(call: ToolCall) -> ToolResult:
            self._require_running()
            running = asyncio.ensure_future(tool(call))
            self._running.add(running)
            try:
                return await running
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or not task.cancelling():
                    self._require_running()
                raise
            finally:
                self._running.discard(running)

        return run

    def _require_running(self) -> None:
        if self._modes.mode == STOPPED:
            raise StoppedError(f"executors are stopped: {self._modes.reason or 'no reason is given'}")

    def _end_all(self) -> None:
        for running in self._running:
            running.cancel()


async def _refuse(call: ToolCall) -> ToolResult:
    raise ApprovalRequiredError(f"{call.step.tool} changes something; only the claim protocol runs it.")
