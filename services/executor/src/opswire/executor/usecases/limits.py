"""Runs one tool with a hard time limit, and ends it when the whole run is to end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from opswire.chassis.errors import OpswireError, RejectedError
from opswire.executor.errors import ToolError, ToolTimeoutError
from opswire.executor.rules.tools import ToolResult

ENDING_S = 9.0
"""How long an ended tool may take to clean up behind it: longer than killing what it started on a host may."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a tool's run ended. Neither result nor error: it was interrupted. `has_ended`: its own end was seen."""

    result: ToolResult | None = None
    error: OpswireError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the tool itself came to an end, and its error says which."""
        return isinstance(self.error, RejectedError) or (
            isinstance(self.error, ToolError) and not self.error.leaves_unknown
        )


async def run_limited(
    work: Coroutine[Any, Any, ToolResult] | Any, limit_s: float, ended: asyncio.Event | None
) -> Ending:
    """Run a tool for at most `limit_s` seconds, or until `ended` is set. A fault of ours counts as a tool's error."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(ended.wait()) if ended is not None else None
    try:
        waiting = {task, stopping} if stopping is not None else {task}
        await asyncio.wait(waiting, timeout=max(limit_s, 0), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return _ending(task)
        task.cancel()
        await asyncio.wait({task}, timeout=ENDING_S)
        if ended is not None and ended.is_set():
            return Ending()
        return Ending(error=ToolTimeoutError(f"it was not done after {limit_s:.1f} s and was ended"))
    finally:
        if stopping is not None:
            stopping.cancel()
        if not task.done():
            task.cancel()


def _ending(task: asyncio.Future[ToolResult]) -> Ending:
    try:
        return Ending(result=task.result())
    except OpswireError as error:
        return Ending(error=error)
    except Exception as error:  # noqa: BLE001  whatever a driver raises, the step has one outcome
        return Ending(error=UnforeseenToolError(f"{type(error).__name__} in the tool"))


class UnforeseenToolError(ToolError):
    """A fault in a driver: how far it came is not known."""

    code = "tool_fault"
    leaves_unknown = True
