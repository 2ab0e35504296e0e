"""Tools whose findings, errors and running output hold no secret: nothing of them leaves a tool as it came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from opswire.chassis.redaction import Redactor, redactor
from opswire.contracts.types import Cell
from opswire.executor.errors import ToolError
from opswire.executor.rules.private_keys import HINT, PrivateKeys, unended, without_keys
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult, Verdict

# A line that is longer is shown in pieces, each without its end: a secret may go on in the next one.
LINE_CHARACTERS_MAX = 16_384
SECRET_CHARACTERS_MAX = 4_096


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
        records=tuple(by.value(record) for record in _without_keys([dict(record) for record in result.records])),
        note=by.text(result.note),
        verdict=None if verdict is None else Verdict(verdict.status, by.text(verdict.detail)),
    )


def _without_keys(records: list[dict[str, Cell]]) -> list[dict[str, Cell]]:
    """The records, which may be a text's lines, without the lines of private keys."""
    for name in {name for record in records for name in record}:
        texts = [str(record.get(name) or "") for record in records]
        if any(HINT in text for text in texts):
            for record, before, text in zip(records, texts, without_keys(texts), strict=True):
                if text != before:
                    record[name] = text
    return records


class _Lines:
    """Passes output on by whole lines: a secret that came in two pieces is seen as one."""

    def __init__(self, then: Callable[[str], None], by: Redactor) -> None:
        self._then = then
        self._by = by
        self._keys = PrivateKeys()
        self._held = ""

    def take(self, text: str) -> None:
        """Output as it comes."""
        *lines, self._held = (self._held + text).split("\n")
        self._tell("".join(f"{shown}\n" for line in lines for shown in self._keys.take(line)))
        if len(self._held) > LINE_CHARACTERS_MAX:
            self._tell_a_piece()

    def _tell_a_piece(self) -> None:
        """The most of a long line, but for its end and for a private key that goes on in what comes."""
        self._tell("".join(f"{shown}\n" for shown in self._keys.end()))
        key = unended(self._held)
        held = self._by.text(self._held[:key])
        if key is not None:
            self._tell(held)
            self._held = self._held[key : key + SECRET_CHARACTERS_MAX] + self._held[key:][-SECRET_CHARACTERS_MAX:]
            return
        self._tell(held[:-SECRET_CHARACTERS_MAX])
        self._held = held[-SECRET_CHARACTERS_MAX:]

    def _tell(self, text: str) -> None:
        if text:
            self._then(self._by.text(text))

    def end(self) -> None:
        """There is no more."""
        shown = [*self._keys.take(self._held), *self._keys.end()]
        self._held = ""
        self._tell("\n".join(shown))
