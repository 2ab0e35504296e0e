"""The SSH server of a host: commands run for real, files stay inside the host, forwarding reaches loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
from opswire.lab.layout import LOOPBACK, SSH_USER, HostPaths

CHUNK_BYTES = 65_536
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


async def serve_ssh(name: str, paths: HostPaths, port: int, authorized_key: str) -> asyncssh.SSHAcceptor:
    """Listen on loopback for the one user with the one key. Raises OSError when the port is taken."""
    commands = CommandRunner(name, paths)
    key = asyncssh.import_public_key(authorized_key)
    return await asyncssh.listen(
        LOOPBACK,
        port,
        server_factory=lambda: _Connection(key),
        server_host_keys=[str(paths.host_key)],
        process_factory=commands.handle,
        sftp_factory=lambda channel: HostFiles(channel, chroot=os.fsencode(paths.root)),
        encoding=None,
        reuse_address=True,
        agent_forwarding=False,
        x11_forwarding=False,
        server_version="OpswireLab",
        login_timeout=10,
    )


class _Connection(asyncssh.SSHServer):
    """Lets in one user with one key, by public key only."""

    def __init__(self, authorized_key: asyncssh.SSHKey) -> None:
        self._authorized_key = authorized_key

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == SSH_USER and key == self._authorized_key

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:  # noqa: ARG002
        if not _is_loopback(dest_host):
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "The lab forwards to loopback only."
            )
        return True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class CommandRunner:
    """Runs what a client asks for with `sh -c`, in the host's root and with the host's environment only."""

    def __init__(self, name: str, paths: HostPaths) -> None:
        self._paths = paths
        self._environment = {
            "PATH": f"{paths.binaries}:{SYSTEM_PATH}",
            "HOME": str(paths.root / "home" / SSH_USER),
            "TMPDIR": str(paths.root / "tmp"),
            "USER": SSH_USER,
            "LOGNAME": SSH_USER,
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "HOSTNAME": name,
        }

    async def handle(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one command; its process group ends with the channel, whichever ends first."""
        if process.command is None:
            motd = (self._paths.root / "etc" / "motd").read_bytes()
            process.stdout.write(
                motd + b"There is no login shell here; give a command: ssh ... 'supervisorctl status'\n"
            )
            process.exit(1)
            return
        child, exited = await self._start(process.command)
        try:
            await _serve(process, child, exited)
        finally:
            _kill_group(child.pid)

    async def _start(self, command: str) -> tuple[asyncio.subprocess.Process, asyncio.Event]:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: _CommandProtocol(limit=CHUNK_BYTES, loop=loop),
            "/bin/sh",
            "-c",
            command,
            cwd=self._paths.root,
            env=self._environment,
            # A group of its own, to be killed as one; the session stays the host's, which is how leftovers are found.
            process_group=0,
        )
        return asyncio.subprocess.Process(transport, protocol, loop), protocol.exited


class _CommandProtocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells when the command itself has ended. `Process.wait` would wait for everybody who holds its pipes, so for a
    child in the background too."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        self.exited.set()
        super().process_exited()


async def _serve(
    process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process, exited: asyncio.Event
) -> None:
    assert child.stdout is not None
    assert child.stderr is not None
    outputs = [
        asyncio.create_task(_pump_out(child.stdout, process.stdout)),
        asyncio.create_task(_pump_out(child.stderr, process.stderr)),
    ]
    ended = asyncio.create_task(exited.wait())
    closed = asyncio.create_task(process.channel.wait_closed())
    tasks = [*outputs, ended, closed, asyncio.create_task(_pump_in(process, child))]
    try:
        await asyncio.wait((ended, closed), return_when=asyncio.FIRST_COMPLETED)
        if not closed.done():
            # Children in the background hold the pipes open; without them the rest of the output ends by itself.
            _kill_group(child.pid)
            await asyncio.wait((asyncio.gather(*outputs), closed), return_when=asyncio.FIRST_COMPLETED)
            _report_exit(process, child.returncode or 0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _report_exit(process: asyncssh.SSHServerProcess[bytes], status: int) -> None:
    if status >= 0:
        process.exit(status)
    else:
        process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))


async def _pump_out(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionError, asyncssh.Error):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()


async def _pump_in(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionError, asyncssh.Error):
        while True:
            try:
                chunk = await process.stdin.read(CHUNK_BYTES)
            except asyncssh.SignalReceived as received:
                number = getattr(signal, f"SIG{received.signal}", signal.SIGTERM)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
                continue
            if not chunk:
                break
            child.stdin.write(chunk)
            await child.stdin.drain()
    child.stdin.close()


class HostFiles(asyncssh.SFTPServer):
    """SFTP inside the host's root. The library alone would follow a link that leads out of it."""

    def map_path(self, path: bytes) -> bytes:
        """The local path of a host path. Raises SFTPPermissionDenied when its folder leads out of the host."""
        local = super().map_path(path)
        if local.rstrip(b"/") != self._root:
            self._refuse_outside(local.rpartition(b"/")[0])
        return local

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file; only regular ones, because opening a pipe would stop the whole server."""
        self._refuse_special(path)
        return super().open(path, pflags, attrs)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """The same for newer clients."""
        self._refuse_special(path)
        return super().open56(path, desired_access, flags, attrs)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """The entries of a folder."""
        self._refuse_outside(self.map_path(path))
        async for entry in super().scandir(path):
            yield entry

    async def stat(self, path: bytes) -> os.stat_result:
        """Attributes of what a path leads to."""
        local = self.map_path(path)
        self._refuse_outside(local)
        return Path(os.fsdecode(local)).stat()

    def readlink(self, path: bytes) -> bytes:
        """What a link holds, as it stands there; the library knows absolute ones only. Raises SFTPPermissionDenied."""
        local = self.map_path(path)
        self._refuse_outside(local)
        target = os.readlink(local)  # noqa: PTH115  bytes, as SFTP has them
        return self.reverse_map_path(target) if target.startswith(b"/") else target

    @property
    def _root(self) -> bytes:
        assert self._chroot is not None
        return self._chroot

    def _refuse_special(self, path: bytes) -> None:
        local = self.map_path(path)
        self._refuse_outside(local)
        try:
            mode = Path(os.fsdecode(local)).stat().st_mode
        except FileNotFoundError:
            return
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise asyncssh.SFTPPermissionDenied("Only regular files can be opened.")

    def _refuse_outside(self, local: bytes) -> None:
        real = os.path.realpath(local)
        if real != self._root and not real.startswith(self._root + b"/"):
            raise asyncssh.SFTPPermissionDenied("The path leads out of the host.")
