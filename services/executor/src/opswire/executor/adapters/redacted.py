"""Tools whose findings, errors and running output hold no secret: nothing of them leaves a tool as it came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from opswire.chassis.redaction import Redactor, redactor
from opswire.executor.errors import ToolError
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult, Verdict

# A line that is longer is shown in pieces, and a secret across two of them would not be seen.
LINE_CHARACTERS_MAX = 16_384


def redacted(tool: Tool, by: Redactor = redactor) -> Tool:
    """The tool, with secrets taken out of its records, note, verdict, errors and the lines it prints.

    Before anything keeps or sends them: what is cached, published, traced or logged of a tool comes through here.
    """

    async def run(call: ToolCall) -> ToolResult:
        lines = _Lines(call.on_output, by) if call.on_output is not None else None
        try:
            return _result(await tool(replace(call, on_output=lines.take) if lines is not None else call), by)
        except ToolError as error:
            error.args = tuple(by.text(str(one)) for one in error.args)
            if error.answer is not None:
                error.answer = type(error.answer).model_validate(by.value(error.answer.model_dump(mode="json")))
            raise
        finally:
            if lines is not None:
                lines.end()

    return run


def _result(result: ToolResult, by: Redactor) -> ToolResult:
    verdict = result.verdict
    return replace(
        result,
        records=tuple(by.value(dict(record)) for record in result.records),
        note=by.text(result.note),
        verdict=None if verdict is None else Verdict(verdict.status, by.text(verdict.detail)),
    )


class _Lines:
    """Passes output on by whole lines: a secret that came in two pieces is seen as one."""

    def __init__(self, then: Callable[[str], None], by: Redactor) -> None:
        self._then = then
        self._by = by
        self._held = ""

    def take(self, text: str) -> None:
        """Output as it comes."""
        whole, newline, rest = (self._held + text).rpartition("\n")
        if len(rest) > LINE_CHARACTERS_MAX:
            whole, newline, rest = whole + newline + rest, "", ""
        self._held = rest
        if whole or newline:
            self._then(self._by.text(whole + newline))

    def end(self) -> None:
        """There is no more."""
        held, self._held = self._held, ""
        if held:
            self._then(self._by.text(held))
