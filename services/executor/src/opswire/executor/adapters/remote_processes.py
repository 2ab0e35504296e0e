"""Commands that change something: known by their process group, so that they can be ended for certain."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncssh
from opswire.contracts.findings import Asset
from opswire.executor.adapters.ssh import Ssh, connection_broke, quoted, start_process
from opswire.executor.adapters.together import together
from opswire.executor.errors import ConnectionBrokenError, EndNotSeenError, OutputTooLargeError, ToolError

# The shell's pid is that of the command it becomes, and of the group that the server made for it. It follows a word
# that nobody can foresee: a profile of the host may print something first. What cannot be announced is not begun.
_ANNOUNCE = 'printf "%s %s\\n" "$0" "$$" && exec "$@"'
# Asked to end, then made to. The group may be gone at any moment; that it is gone is the aim.
_END = """
for signal in TERM KILL; do
  kill -s "$signal" -- "-$1" 2>/dev/null || kill -s "$signal" "$1" 2>/dev/null || exit 0
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 -- "-$1" 2>/dev/null || kill -0 "$1" 2>/dev/null || exit 0
    sleep 0.1
  done
done
exit 1
"""
END_S = 8.0
"""How long ending a command on its host may take, in seconds. Whoever cancelled it waits for that."""
GREETING_LINES_MAX = 1_000

_Begun = tuple[asyncssh.SSHClientProcess[bytes], int]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `exit_status` is -1 where a signal ended it; `cut` where it printed more than was kept."""

    exit_status: int
    stdout: str
    stderr: str
    cut: bool


class RemoteProcesses:
    """Runs commands in process groups that are ended when their time is up or nobody waits for them any more."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    async def run(
        self,
        host: Asset,
        argv: Sequence[str],
        output_bytes_max: int,
        on_output: Callable[[str], None] | None = None,
    ) -> Ended:
        """Run one command, arguments quoted by themselves. Output over the limit is read and left out.

        When it is cancelled, the command's process group on the host is ended before this returns. Raises
        BadArgumentError, ToolError, HostUnreachableError and what `Ssh.connected` raises.
        """
        quoted(argv)
        word = f"opswire-{secrets.token_hex(8)}"
        command = f"exec {quoted(['sh', '-c', _ANNOUNCE, word, *argv])}"
        async with self._ssh.connected(host) as connection:
            process, group = await self._begun(connection, host, command, word)
            try:
                kept = _Kept(output_bytes_max, on_output)
                stdout, stderr = await together(kept.read(process.stdout), kept.read(process.stderr))
                await process.wait_closed()
            except (asyncssh.Error, OSError) as error:
                raise connection_broke(host, error) from error
            finally:
                if process.exit_status is None:
                    await finished(self._end(host, group))
                process.close()
            if process.exit_status is None:  # a signal would have been told as -1: the host itself went away
                raise ConnectionBrokenError(f"{host.name} did not say how the command ended")
            return Ended(process.exit_status, stdout, stderr, kept.cut)

    async def _begun(self, connection: asyncssh.SSHClientConnection, host: Asset, command: str, word: str) -> _Begun:
        """The command and its process group. Cancelled in between, the host may run it already: it is ended there."""
        beginning = asyncio.create_task(_begin(connection, host, command, word))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            await finished(self._end_begun(host, beginning))
            raise

    async def _end_begun(
        self, host: Asset, beginning: asyncio.Task[tuple[asyncssh.SSHClientProcess[bytes], int]]
    ) -> None:
        with suppress(ToolError, TimeoutError):
            async with asyncio.timeout(END_S):
                process, group = await beginning
                await self._end(host, group)
                process.close()

    async def _end(self, host: Asset, group: int) -> None:
        """End a process group of the host. It is tried once; a host that is gone has ended it, or nobody can."""
        with suppress(ToolError, TimeoutError):
            async with asyncio.timeout(END_S):
                await self._ssh.run(host, ["sh", "-c", _END, "sh", str(group)])


@contextmanager
def looking_after_a_change(what: str) -> Iterator[None]:
    """A look that fails once something was changed leaves unknown what became of it. Raises EndNotSeenError."""
    try:
        yield
    except ToolError as error:
        raise EndNotSeenError(f"{what} was done, and what came of it could not be seen: {error}") from error


class _Kept:
    """What a command printed, up to a limit for both its outputs together."""

    def __init__(self, bytes_max: int, on_output: Callable[[str], None] | None) -> None:
        self._room = bytes_max
        self._on_output = on_output
        self.cut = False

    async def read(self, reader: asyncssh.SSHReader[bytes]) -> str:
        """Read to the end. What is over the limit is read too: a command that waits for a reader never ends."""
        chunks: list[bytes] = []
        while chunk := await reader.read(32 * 1024):
            kept = chunk[: self._room]
            self.cut = self.cut or len(kept) < len(chunk)
            self._room -= len(kept)
            if kept:
                chunks.append(kept)
                if self._on_output is not None:
                    self._on_output(kept.decode("utf-8", "replace"))
        return b"".join(chunks).decode("utf-8", "replace")


async def _begin(connection: asyncssh.SSHClientConnection, host: Asset, command: str, word: str) -> _Begun:
    process = await start_process(connection, host, command)
    try:
        for _ in range(GREETING_LINES_MAX):
            line = await process.stdout.readline()
            group = _group(line, word)
            if group is not None:
                return process, group
            if not line.endswith(b"\n"):
                break
    except (asyncssh.Error, OSError) as error:
        raise connection_broke(host, error) from error
    process.close()
    if line.endswith(b"\n"):
        raise OutputTooLargeError(f"{host.name} printed more than {GREETING_LINES_MAX} lines before the command")
    if connection.is_closed():
        raise ConnectionBrokenError(f"the connection to {host.name} broke while the command was begun")
    raise ToolError(f"{host.name} did not start the command: {line[:80].decode('latin-1')!a}")


async def finished(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must be done although we are being cancelled."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def _group(line: bytes, word: str) -> int | None:
    """The process group that a line announces; None where it announces none."""
    found = re.fullmatch(rf".*{word} ([0-9]{{1,18}})\n", line.decode("latin-1"))
    return int(found[1]) if found is not None and int(found[1]) > 1 else None
