"""Tools that back up and restore a database file of a host. The data stays on the host; SQLite copies SQLite."""

from __future__ import annotations

import posixpath

from opswire.contracts.findings import Asset
from opswire.executor.adapters.changed_files import changing
from opswire.executor.adapters.remote_processes import Ended, RemoteProcesses, looking_after_a_change
from opswire.executor.adapters.ssh import CommandResult, Ssh
from opswire.executor.adapters.units import command_failed
from opswire.executor.errors import BackupMissingError, StateChangedError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.tools import Judgement, Tool, ToolCall, ToolResult, Verdict

SQLITE_MAGIC = b"SQLite format 3\0"
OUTPUT_BYTES_MAX = 64 * 1024


class DataTools:
    """Tools over one set of SSH connections."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh
        self._processes = RemoteProcesses(ssh)

    def tools(self) -> dict[str, Tool]:
        """The tools by name."""
        return {"data.backup": self.backup, "data.restore": self.restore, "data.verify": self.verify}

    async def backup(self, call: ToolCall) -> ToolResult:
        """Copy a database file. Raises StateChangedError where a copy of this name exists, CommandFailedError."""
        host = call.needed_host()
        path, copy = await self._checked(host, call.text("path"), call.text("copy"))
        if await self._exists(host, copy):
            raise StateChangedError(f"{copy!r} exists on {host.name}; nothing was copied")
        if await self._is_sqlite(host, path):
            literal = copy.replace("'", "''")
            await self._run(call, host, ["sqlite3", "-bail", path, f"VACUUM INTO '{literal}'"])
        else:
            await self._run(call, host, ["cp", "-p", "--", path, copy])
        with looking_after_a_change("the copy"):
            return await self._copied(call, host, copy)

    async def restore(self, call: ToolCall) -> ToolResult:
        """Put a copy in the place of a database file; what was there is kept under this step's name.

        Whatever has the file open goes on with the old one until it is started again. Raises BackupMissingError.
        """
        host = call.needed_host()
        path, copy = await self._checked(host, call.text("path"), call.text("copy"))
        if not await self._exists(host, copy):
            raise BackupMissingError(f"no copy {copy!r} is on {host.name}; nothing was changed")
        fresh = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.opswire-{call.step_id}.new")
        kept = f"{path}.opswire-{call.step_id}"
        if await self._exists(host, kept):
            raise StateChangedError(f"{kept!r} exists on {host.name}: this change was begun once already")
        if await self._exists(host, path):
            await self._run(call, host, ["cp", "-p", "--", path, kept])
        await self._run(call, host, ["cp", "-p", "--", copy, fresh])
        async with self._ssh.sftp(host) as client:
            await client.posix_rename(fresh, path)
            for journal in (f"{path}-wal", f"{path}-shm", f"{path}-journal"):
                # What they hold belongs to the file that is gone; SQLite would play it into the one that came.
                if await client.lexists(journal):
                    await client.remove(journal)
        with looking_after_a_change("the restore"):
            return await self._copied(call, host, path)

    async def verify(self, call: ToolCall) -> ToolResult:
        """`pass` when the file is whole and, where a copy is named, equal to it."""
        host = call.needed_host()
        other = call.optional_text("copy")
        paths = await self._checked(host, call.text("path"), *([other] if other else []))
        digests = [await self._digest(host, path) for path in paths]
        said = f"SHA-256 {digests[0][:16]}…"
        well = len(set(digests)) == 1
        if not well:
            said += ", not the copy's"
        if await self._is_sqlite(host, paths[0]):
            result = await self._ssh.run(host, ["sqlite3", "-readonly", "-bail", paths[0], "PRAGMA integrity_check"])
            whole = result.exit_status == 0 and result.stdout.strip() == "ok"
            well = well and whole
            said += ", SQLite says " + plain(" ".join((result.stdout or result.stderr).split()), 100)
        verdict = Verdict(Judgement.PASS if well else Judgement.FAIL, said)
        name = call.needed_asset().name
        record = {"asset": name, "check": paths[0], "result": verdict.status.value, "detail": said}
        return ToolResult((record,), verdict=verdict)

    async def _checked(self, host: Asset, *paths: str) -> list[str]:
        """The paths with their folders' links followed; none of them a link itself."""
        async with changing(self._ssh, host) as files:
            places = [await files.find(path) for path in paths]
            for place in places:
                if place.kind != "nothing":
                    files.require(place, "file")
        return [place.path for place in places]

    async def _exists(self, host: Asset, path: str) -> bool:
        async with self._ssh.sftp(host) as client:
            return bool(await client.lexists(path))

    async def _is_sqlite(self, host: Asset, path: str) -> bool:
        async with self._ssh.sftp(host) as client, client.open(path, "rb") as file:
            found: object = await file.read(len(SQLITE_MAGIC), 0)
            return found == SQLITE_MAGIC

    async def _digest(self, host: Asset, path: str) -> str:
        result = await self._ssh.run(host, ["sha256sum", "--", path])
        found = result.stdout.split()
        # Names with a backslash or a line break are printed with a backslash before the digest.
        digest = found[0].lstrip("\\") if found else ""
        if result.exit_status != 0 or len(digest) != 64:
            raise command_failed("sha256sum", host, result)
        return digest

    async def _copied(self, call: ToolCall, host: Asset, path: str) -> ToolResult:
        async with self._ssh.sftp(host) as client:
            size_bytes = (await client.stat(path)).size
        record = {"asset": call.needed_asset().name, "path": path, "size_bytes": size_bytes}
        return ToolResult(({**record, "sha256": await self._digest(host, path)},))

    async def _run(self, call: ToolCall, host: Asset, argv: list[str]) -> Ended:
        ended = await self._processes.run(host, argv, OUTPUT_BYTES_MAX, call.on_output)
        if ended.exit_status != 0:
            result = CommandResult(ended.exit_status, ended.stdout, ended.stderr)
            raise command_failed(argv[0], host, result)
        return ended
