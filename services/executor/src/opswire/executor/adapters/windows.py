"""PowerShell commands on Windows hosts, over SSH: one encoded command, every argument quoted as PowerShell reads it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from opswire.executor.adapters.command_tools import judged, shown
from opswire.executor.adapters.remote_processes import Ended
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.errors import BadArgumentError
from opswire.executor.rules.driver_settings import WindowsCommand
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.templates import filled_argv, places, rendered
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult

# PowerShell ends a text in single quotes at any of these, not only at the one on the keyboard.
SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b"
ENCODED_CHARACTERS_MAX = 30_000
_PROLOGUE = "$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue';"


class Windows:
    """Tools over one set of SSH connections."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    def tool(self, driver: WindowsCommand) -> Tool:
        """The tool that runs this command. Raises CommandFailedError when it ends with another status than 0."""

        async def run(call: ToolCall) -> ToolResult:
            script = script_of(driver.argv, call.step.arguments)
            if driver.shows:
                script += f" | Select-Object -ExpandProperty {quoted(driver.shows)}"
            argv = ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded(script)]
            result = await self._ssh.run(call.needed_host(), argv)
            ended = Ended(result.exit_status, result.stdout, result.stderr, cut=False)
            found = shown(call, filled_argv(driver.argv[:1], call.step.arguments), ended)
            if driver.expect is None:
                return found
            return judged(found, result.stdout, str(rendered(driver.expect, call.step.arguments)))

        return run


def quoted(argument: str) -> str:
    """The argument as a PowerShell text that stands for itself. Raises BadArgumentError for a NUL."""
    if "\0" in argument:
        raise BadArgumentError("an argument holds a NUL")
    return "'" + "".join(each * 2 if each in SINGLE_QUOTES else each for each in argument) + "'"


def script_of(templates: Sequence[str], values: Mapping[str, Value]) -> str:
    """The command line: parameter names as the catalogue wrote them, everything else quoted.

    Raises BadArgumentError.
    """
    words: list[str] = []
    for template in templates[1:]:
        is_name = template.startswith("-") and not places(template)
        words += [template] if is_name else [quoted(each) for each in filled_argv([template], values)]
    (command,) = filled_argv(templates[:1], values)
    return " ".join([f"{_PROLOGUE}& {quoted(command)}", *words])


def encoded(script: str) -> str:
    """What `-EncodedCommand` takes: base64 of UTF-16, which no shell on the way reads. Raises BadArgumentError."""
    text = base64.b64encode(script.encode("utf-16-le", "surrogatepass")).decode()
    if len(text) > ENCODED_CHARACTERS_MAX:
        raise BadArgumentError("the command is too long for Windows")
    return text
