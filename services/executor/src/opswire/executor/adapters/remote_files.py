"""Files and directories of hosts, over SFTP: bounded, regular files only, links followed and judged again."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncssh
from opswire.contracts.findings import Asset
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.errors import (
    FileBinaryError,
    FileRefusedError,
    FileTooLargeError,
    FileUnreadableError,
    PathRefusedError,
)
from opswire.executor.rules.paths import check_path
from opswire.executor.rules.private_keys import without_keys

FILE_BYTES_MAX = 64 * 1024
TAIL_BYTES_MAX = 256 * 1024
ENTRIES_MAX = 500

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "character device",
}


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a file: whole lines, and whether there is more before them."""

    lines: list[str]
    cut: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory."""

    name: str
    kind: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory's entries by name, at most 500, and whether there are more."""

    entries: list[Entry]
    cut: bool


class RemoteFiles:
    """Reads of files on hosts. Paths are absolute; each raises PathRefusedError for one that is never read."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    async def read_tail(self, host: Asset, path: str) -> Tail:
        """The lines in the last 256 kB of a text file. Raises FileUnreadableError, FileRefusedError."""
        async with self._ssh.sftp(host) as client, _translated(host, path):
            real, attributes = await _resolve(client, host, path)
            _require_regular(host, path, attributes)
            async with client.open(real, "rb") as file:
                size = (await file.stat()).size or 0
                start = max(size - TAIL_BYTES_MAX, 0)
                data = await _read(file, start, TAIL_BYTES_MAX)
        lines = data.decode("utf-8", "replace").split("\n")
        if lines and not lines[-1]:
            lines.pop()
        if start:
            # The first line is most likely the end of one that began before.
            lines = lines[1:]
        # Here and not where lines are told: of these only some are chosen, and a key's are no key any more.
        return Tail(without_keys(line.rstrip("\r") for line in lines), start > 0)

    async def read_file_or_list(self, host: Asset, path: str) -> str | Listing:
        """A whole text file of at most 64 kB, or a directory's listing.

        Raises FileTooLargeError, FileBinaryError, FileUnreadableError or FileRefusedError.
        """
        async with self._ssh.sftp(host) as client, _translated(host, path):
            real, attributes = await _resolve(client, host, path)
            if _kind(attributes) == "directory":
                return await _list(client, real)
            _require_regular(host, path, attributes)
            async with client.open(real, "rb") as file:
                data = await _read(file, 0, FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            size = max(attributes.size or 0, len(data))
            raise FileTooLargeError(
                f"{path!r} on {host.name} has {size:,} bytes and at most {FILE_BYTES_MAX:,} are shown; "
                "ask for its last lines instead"
            )
        return _as_text(data, host, path)


async def _resolve(client: asyncssh.SFTPClient, host: Asset, path: str) -> tuple[str, asyncssh.SFTPAttrs]:
    asked = check_path(path)
    real = str(await client.realpath(asked))
    try:
        checked = check_path(real)
    except PathRefusedError as error:
        raise FileRefusedError(f"{asked!r} on {host.name} leads to {real[:200]!r}, which is not read") from error
    # Not followed: what realpath named has no link in it, and one put there meanwhile is refused, not read.
    return checked, await client.lstat(checked)


def _kind(attributes: asyncssh.SFTPAttrs) -> str:
    mode = attributes.permissions
    return _KINDS.get(stat.S_IFMT(mode), "special file") if mode is not None else "special file"


def _require_regular(host: Asset, path: str, attributes: asyncssh.SFTPAttrs) -> None:
    kind = _kind(attributes)
    if kind != "file":
        raise FileRefusedError(f"{path!r} on {host.name} is a {kind} and is not read")


async def _read(file: asyncssh.SFTPClientFile, start: int, bytes_max: int) -> bytes:
    data = await file.read(bytes_max, start)
    return data if isinstance(data, bytes) else str(data).encode()


async def _list(client: asyncssh.SFTPClient, path: str) -> Listing:
    entries: list[Entry] = []
    cut = False
    async for found in client.scandir(path):
        name = str(found.filename)
        if name in (".", ".."):
            continue
        if len(entries) == ENTRIES_MAX:
            cut = True
            break
        entries.append(Entry(name, _kind(found.attrs), found.attrs.size))
    return Listing(sorted(entries, key=lambda entry: entry.name), cut)


def _as_text(data: bytes, host: Asset, path: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise FileBinaryError(f"{path!r} on {host.name} is not UTF-8 text") from None
    if "\0" in text:
        raise FileBinaryError(f"{path!r} on {host.name} is a binary file")
    return text


@asynccontextmanager
async def _translated(host: Asset, path: str) -> AsyncIterator[None]:
    try:
        yield
    except asyncssh.SFTPNoSuchFile as error:
        raise FileUnreadableError(f"{path!r} does not exist on {host.name}") from error
    except asyncssh.SFTPPermissionDenied as error:
        raise FileUnreadableError(f"{path!r} on {host.name} may not be read by our user") from error
    except (asyncssh.Error, OSError, UnicodeError) as error:
        reason = str(getattr(error, "reason", error))[:200]
        raise FileUnreadableError(f"{path!r} on {host.name} could not be read: {reason}") from error
