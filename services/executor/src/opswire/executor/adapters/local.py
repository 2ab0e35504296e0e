"""Programs of the executor's own machine: for the lab alone."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from opswire.executor.adapters.remote_processes import finished
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.together import together
from opswire.executor.errors import CommandFailedError, LocalRefusedError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.driver_settings import LocalCommand
from opswire.executor.rules.private_keys import without_keys
from opswire.executor.rules.templates import filled_argv
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult

LINES_MAX = 500
PIPE_CLOSED_S = 1.0
# Nothing of our own environment: it holds tokens.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


class Local:
    """Refuses everything unless the lab's setting allows loopback."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings

    def tool(self, driver: LocalCommand, bytes_max: int) -> Tool:
        """The tool that runs this program. Raises LocalRefusedError outside of the lab, CommandFailedError."""

        async def run(call: ToolCall) -> ToolResult:
            if not self._settings.allow_loopback:
                raise LocalRefusedError("programs of this machine are run in the lab alone (OPSWIRE_ALLOW_LOOPBACK)")
            argv = filled_argv(driver.argv, call.step.arguments)
            status, text, cut = await _run(argv, bytes_max)
            lines = without_keys(text.splitlines())
            if status not in driver.ok:
                said = plain(" ".join(lines[-3:]), 300)
                raise CommandFailedError(f"{plain(argv[0], 100)} ended with {status}: {said or 'no output'}")
            note = "Not all that it printed is shown." if cut or len(lines) > LINES_MAX else ""
            return ToolResult(tuple({"line": plain(line)} for line in lines[:LINES_MAX]), note)

        return run


async def _run(argv: list[str], bytes_max: int) -> tuple[int, str, bool]:
    # In a task of its own: cancelled while it is begun, the library would end the program and not what it started.
    beginning = asyncio.create_task(_begin(argv))
    try:
        process = await asyncio.shield(beginning)
    except asyncio.CancelledError:
        await finished(_end_begun(beginning))
        raise
    assert process.stdout is not None
    try:
        (kept,) = await together(_kept(process.stdout, bytes_max))
        await process.wait()
    finally:
        await _end(process)
    return process.returncode or 0, kept[:bytes_max].decode("utf-8", "replace"), len(kept) > bytes_max


async def _begin(argv: list[str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=ENVIRONMENT,
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CommandFailedError(f"{plain(argv[0], 100)} cannot be started here: {error}") from None


async def _end_begun(beginning: asyncio.Task[asyncio.subprocess.Process]) -> None:
    with suppress(CommandFailedError):
        await _end(await beginning)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End its whole group, also what it left in the background."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Read to the end, so that its pipe is closed; what left its group may hold the pipe, and is not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(PIPE_CLOSED_S):
            await process.communicate()
    await process.wait()


async def _kept(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    kept = bytearray()
    while chunk := await reader.read(32 * 1024):
        kept += chunk[: max(bytes_max + 1 - len(kept), 0)]
    return bytes(kept)
