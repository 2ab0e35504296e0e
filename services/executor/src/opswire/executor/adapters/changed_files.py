"""Files of hosts, changed over SFTP: what was there is kept beside it, and a change is one rename."""

from __future__ import annotations

import hashlib
import posixpath
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncssh
from opswire.contracts.findings import Asset
from opswire.executor.adapters.ssh import Ssh, connection_broke
from opswire.executor.errors import (
    BackupMissingError,
    FileRefusedError,
    FileTooLargeError,
    FileUnwritableError,
    PathRefusedError,
    StateChangedError,
)
from opswire.executor.rules.paths import check_deletable, check_writable

COPY_BYTES_MAX = 16 * 1024 * 1024
ENTRIES_MAX = 10_000
MODE_NEW = 0o644
_MARK = ".opswire-"
_ABSENT = ".absent"


@dataclass(frozen=True, slots=True)
class Place:
    """A path on a host with its folder's links followed. `attributes` are None where nothing is there."""

    path: str
    attributes: asyncssh.SFTPAttrs | None

    @property
    def kind(self) -> str:
        """`nothing`, `file`, `directory`, `link` or `special file`."""
        if self.attributes is None:
            return "nothing"
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
        return kinds.get(stat.S_IFMT(self.attributes.permissions or 0), "special file")

    def copy_of(self, backup: str) -> str:
        """Where the copy of that name is kept."""
        return f"{self.path}{_MARK}{backup}"


class ChangedFiles:
    """One host's files in one SFTP session, from `changing`."""

    def __init__(self, client: asyncssh.SFTPClient, host: Asset) -> None:
        self._client = client
        self._host = host

    async def find(self, path: str, *, deletable: bool = False) -> Place:
        """What is at a path, not following a link there. Raises PathRefusedError, also where the folder leads away."""
        check = check_deletable if deletable else check_writable
        folder, name = posixpath.split(check(path))
        real = posixpath.join(str(await self._client.realpath(folder)), name)
        try:
            checked = check(real)
        except PathRefusedError as error:
            raise FileRefusedError(f"{path!r} on {self._host.name} leads to {real[:200]!r}: {error}") from error
        try:
            return Place(checked, await self._client.lstat(checked))
        except asyncssh.SFTPNoSuchFile:
            return Place(checked, None)

    async def read(self, path: str) -> bytes:
        """A regular file of at most 16 MB. Raises FileTooLargeError, FileRefusedError."""
        attributes = await self._client.lstat(path)
        if not stat.S_ISREG(attributes.permissions or 0):
            raise FileRefusedError(f"{path!r} on {self._host.name} is no regular file")
        async with self._client.open(path, "rb") as file:
            data = await file.read(COPY_BYTES_MAX + 1, 0)
        if len(data) > COPY_BYTES_MAX:
            raise FileTooLargeError(f"{path!r} on {self._host.name} has more than {COPY_BYTES_MAX:,} bytes")
        return data if isinstance(data, bytes) else str(data).encode()

    async def keep(self, place: Place, backup: str) -> None:
        """Keep what is there, or that nothing is. Raises StateChangedError where a copy of this name exists."""
        copy = place.copy_of(backup)
        if await self._client.lexists(copy) or await self._client.lexists(copy + _ABSENT):
            raise StateChangedError(f"{copy!r} exists on {self._host.name}: this change was begun once already")
        if place.kind == "nothing":
            await self._create(copy + _ABSENT, b"", 0o600)
        else:
            self.require(place, "file")
            await self._create(copy, await self.read(place.path), self._mode(place))

    async def replace(self, place: Place, data: bytes, step_id: str) -> None:
        """Put a whole file in its place: written beside it, synced where the server can, then renamed over it."""
        folder, name = posixpath.split(place.path)
        fresh = posixpath.join(folder, f".{name}{_MARK}{step_id}.new")
        try:
            await self._create(fresh, data, self._mode(place))
            await self._client.posix_rename(fresh, place.path)
        except BaseException:
            with suppress(asyncssh.Error, OSError):
                await self._client.remove(fresh)
            raise

    async def restore(self, place: Place, backup: str, step_id: str) -> None:
        """Put back what `keep` kept under this name. Raises BackupMissingError."""
        copy = place.copy_of(backup)
        if await self._client.lexists(copy):
            await self.replace(place, await self.read(copy), step_id)
        elif await self._client.lexists(copy + _ABSENT):
            if place.kind != "nothing":
                await self._client.remove(place.path)
        else:
            raise BackupMissingError(f"no copy {copy!r} is on {self._host.name}; nothing was changed")

    async def digest_of_copy(self, place: Place, backup: str) -> str | None:
        """SHA-256 of a kept copy; None where nothing was there when it was kept. Raises BackupMissingError."""
        copy = place.copy_of(backup)
        if await self._client.lexists(copy):
            return digest(await self.read(copy))
        if await self._client.lexists(copy + _ABSENT):
            return None
        raise BackupMissingError(f"no copy {copy!r} is on {self._host.name}")

    async def point(self, place: Place, target: str, step_id: str) -> None:
        """Let a link point elsewhere, in one rename. Raises FileUnwritableError through `changing`."""
        folder, name = posixpath.split(place.path)
        fresh = posixpath.join(folder, f".{name}{_MARK}{step_id}.new")
        await self._client.symlink(target, fresh)
        try:
            await self._client.posix_rename(fresh, place.path)
        except BaseException:
            with suppress(asyncssh.Error, OSError):
                await self._client.remove(fresh)
            raise

    async def target_of(self, place: Place) -> str:
        """What a link holds, as it stands there."""
        return str(await self._client.readlink(place.path))

    async def delete(self, place: Place) -> int:
        """Remove what is there, a directory with all in it; how many entries. Counted before the first is removed.

        Raises FileRefusedError for more than 10,000 entries and for special files.
        """
        if place.kind == "directory":
            found = [entry async for entry in self._walk(place.path)]
        else:
            found = [(place.path, False)]
            if place.kind == "special file":
                raise FileRefusedError(f"{place.path!r} on {self._host.name} is a special file and is not removed")
        for path, is_directory in reversed(found):
            await (self._client.rmdir(path) if is_directory else self._client.remove(path))
        return len(found)

    async def _walk(self, top: str) -> AsyncIterator[tuple[str, bool]]:
        """The directory and everything below it, each before what it holds; links are entries, never followed."""
        waiting, count = [top], 0
        while waiting:
            folder = waiting.pop()
            yield folder, True
            async for entry in self._client.scandir(folder):
                if entry.filename in (".", ".."):
                    continue
                count += 1
                if count > ENTRIES_MAX:
                    raise FileRefusedError(f"{top!r} holds more than {ENTRIES_MAX:,} entries and is not removed")
                path = posixpath.join(folder, str(entry.filename))
                if stat.S_ISDIR((await self._client.lstat(path)).permissions or 0):
                    waiting.append(path)
                else:
                    yield path, False

    def require(self, place: Place, kind: str) -> None:
        """Raise FileRefusedError unless that kind of thing is there."""
        if place.kind != kind:
            raise FileRefusedError(
                f"{place.path!r} on {self._host.name} is a {place.kind}, no {kind}; it stays as it is"
            )

    async def _create(self, path: str, data: bytes, mode: int) -> None:
        # Exclusive: it is ours, or it is not written; and it never goes through a link that somebody put there.
        async with self._client.open(path, "xb", asyncssh.SFTPAttrs(permissions=mode)) as file:
            await file.write(data)
            with suppress(asyncssh.SFTPOpUnsupported):
                await file.fsync()
        await self._client.chmod(path, mode)

    @staticmethod
    def _mode(place: Place) -> int:
        return MODE_NEW if place.attributes is None else stat.S_IMODE(place.attributes.permissions or MODE_NEW)


def digest(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@asynccontextmanager
async def changing(ssh: Ssh, host: Asset) -> AsyncIterator[ChangedFiles]:
    """The files of a host, to be changed.

    Raises FileUnwritableError for what the host refuses, ConnectionBrokenError where its answer was lost.
    """
    async with ssh.sftp(host) as client:
        try:
            yield ChangedFiles(client, host)
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, OSError) as error:
            raise connection_broke(host, error) from error
        except (asyncssh.Error, UnicodeError) as error:
            reason = str(getattr(error, "reason", "") or error)[:200]
            raise FileUnwritableError(f"{host.name} did not let us: {reason}") from error
