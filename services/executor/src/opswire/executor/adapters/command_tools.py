"""Tools over commands of a host: one that a person gave, and those that a catalogue describes."""

from __future__ import annotations

from collections.abc import Collection

from opswire.executor.adapters.remote_processes import Ended, RemoteProcesses
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.errors import CommandFailedError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.driver_settings import SshCommand
from opswire.executor.rules.parameters import check_argv
from opswire.executor.rules.private_keys import without_keys
from opswire.executor.rules.templates import filled_argv, rendered
from opswire.executor.rules.tools import Judgement, Record, Tool, ToolCall, ToolResult, Verdict

LINES_MAX = 500


class CommandTools:
    """Tools over one set of SSH connections."""

    def __init__(self, ssh: Ssh) -> None:
        self._processes = RemoteProcesses(ssh)

    def as_given(self, output_bytes_max: int) -> Tool:
        """The tool that runs the argument `argv`. Raises CommandFailedError when it ends with another status than 0."""

        async def run(call: ToolCall) -> ToolResult:
            argv = check_argv(call.texts("argv"))
            ended = await self._processes.run(call.needed_host(), argv, output_bytes_max, call.on_output)
            return shown(call, argv, ended)

        return run

    def described(self, driver: SshCommand, output_bytes_max: int) -> Tool:
        """The tool that runs what its entry in the catalogue says, with the step's arguments filled in."""

        async def run(call: ToolCall) -> ToolResult:
            argv = filled_argv(driver.argv, call.step.arguments)
            ended = await self._processes.run(call.needed_host(), argv, output_bytes_max, call.on_output)
            found = shown(call, argv, ended, driver.ok)
            if driver.expect is None:
                return found
            return judged(found, ended.stdout, str(rendered(driver.expect, call.step.arguments)))

        return run


def shown(call: ToolCall, argv: list[str], ended: Ended, ok: Collection[int] = (0,)) -> ToolResult:
    """What a command printed, a record for each line. Raises CommandFailedError for a status that is not in `ok`."""
    name = call.needed_asset().name
    if ended.exit_status == 127:
        raise CommandFailedError(f"{name} has no {plain(argv[0], 100)}")
    lines = without_keys((ended.stdout + ended.stderr).splitlines())
    status = "was ended by a signal" if ended.exit_status < 0 else f"ended with {ended.exit_status}"
    note = f"{plain(argv[0], 100)} on {name} {status}."
    if ended.cut or len(lines) > LINES_MAX:
        note += " Not all that it printed is shown."
    records: list[Record] = [{"asset": name, "line": plain(line)} for line in lines[:LINES_MAX]]
    if ended.exit_status not in ok:
        said = plain(" ".join(lines[-3:]), 300)
        raise CommandFailedError(f"{note} {said}".strip())
    return ToolResult(tuple(records), note)


def judged(found: ToolResult, printed: str, expected: str) -> ToolResult:
    """The same with a verdict: whether exactly what is expected was printed, apart from blanks around it."""
    status = Judgement.PASS if printed.strip() == expected else Judgement.FAIL
    said = plain(" ".join(printed.split()), 100) or "nothing"
    return ToolResult(found.records, found.note, Verdict(status, f"it is {said}, {plain(expected, 100)} wanted"))
