"""SSH to hosts of the inventory: connections shared per host, host keys checked, arguments quoted one by one."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncssh
from opswire.contracts.findings import Asset
from opswire.executor.adapters.credentials import client_key, host_key
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.together import together
from opswire.executor.errors import (
    BadArgumentError,
    ConnectionBrokenError,
    ForwardingRefusedError,
    HostKeyMismatchError,
    HostUnreachableError,
    LoginRefusedError,
    OutputTooLargeError,
    ToolError,
)
from opswire.executor.rules.targets import ssh_port_of

OUTPUT_BYTES_MAX = 256 * 1024
KEEPALIVE_S = 15

# Everything that decides where a connection goes and how it proves itself: a change of one opens a new connection.
_Key = tuple[str, str | None, int, str, str, str]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. `exit_status` is -1 where a signal ended it. Output that is no UTF-8 is replaced."""

    exit_status: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class _Pooled:
    """One host. Whoever waits for a connection shares the one attempt, and its failure."""

    connection: asyncssh.SSHClientConnection | None = None
    connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None
    users: int = 0
    closing: asyncio.TimerHandle | None = None


class Ssh:
    """All SSH connections of one process. One connection per host, closed after `ssh_idle_s` without use."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._pool: dict[_Key, _Pooled] = {}

    async def run(self, host: Asset, argv: Sequence[str]) -> CommandResult:
        """Run one command. Each argument is quoted by itself: the remote shell sees data, never syntax.

        Raises BadArgumentError, OutputTooLargeError (over 256 kB), and what `connected` raises.
        """
        command = quoted(argv)
        async with self.connected(host) as connection:
            process = await start_process(connection, host, command)
            try:
                stdout, stderr = await together(_limited(process.stdout, host), _limited(process.stderr, host))
                await process.wait_closed()
            except (asyncssh.Error, OSError) as error:
                raise connection_broke(host, error) from error
            finally:
                # When our time is up or it prints without end, the remote command is to end too.
                if process.exit_status is None and not process.is_closing():
                    process.terminate()
                process.close()
            status = process.exit_status
            return CommandResult(-1 if status is None else status, _text(stdout), _text(stderr))

    async def check_port(self, host: Asset, address: str, port: int) -> str:
        """Ask the host to open a TCP connection (direct-tcpip; no shell): `open`, or `closed` with the host's reason.

        Raises ForwardingRefusedError where the host lets nobody connect from it.
        """
        async with self.connected(host) as connection:
            try:
                _, writer = await connection.open_connection(address, port, encoding=None)
            except asyncssh.ChannelOpenError as error:
                if error.code == asyncssh.OPEN_CONNECT_FAILED:
                    return f"closed: {_refusal(error.reason)}"
                raise ForwardingRefusedError(f"{host.name} does not let us connect from it: {error.reason}") from error
            except (asyncssh.Error, OSError) as error:
                raise connection_broke(host, error) from error
            writer.close()
            return "open"

    @asynccontextmanager
    async def sftp(self, host: Asset) -> AsyncIterator[asyncssh.SFTPClient]:
        """An SFTP session on the host's shared connection."""
        async with self.connected(host) as connection:
            try:
                client = await connection.start_sftp_client()
            except (asyncssh.Error, OSError) as error:
                raise ToolError(f"{host.name} offers no SFTP: {_reason(error)}") from error
            try:
                yield client
            finally:
                client.exit()

    @asynccontextmanager
    async def connected(self, host: Asset) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """The shared connection to a host, opened when there is none.

        Raises HostKeyUnknownError, HostKeyMismatchError, CredentialUnusableError, LoginRefusedError,
        AddressRefusedError or HostUnreachableError.
        """
        key = _key(host)
        pooled = self._pool.setdefault(key, _Pooled())
        pooled.users += 1
        if pooled.closing is not None:
            pooled.closing.cancel()
            pooled.closing = None
        try:
            yield await self._shared(host, pooled)
        finally:
            pooled.users -= 1
            if pooled.users == 0:
                self._release(key, pooled)

    async def _shared(self, host: Asset, pooled: _Pooled) -> asyncssh.SSHClientConnection:
        if pooled.connection is not None and not pooled.connection.is_closed():
            return pooled.connection
        if pooled.connecting is None:
            pooled.connecting = asyncio.create_task(self._connect(host))
        attempt = pooled.connecting
        try:
            # One waiter's time running out must not end the attempt of the others.
            return await asyncio.shield(attempt)
        finally:
            if pooled.connecting is attempt:
                _settle(pooled)

    def _release(self, key: _Key, pooled: _Pooled) -> None:
        if pooled.connecting is not None and not _settle(pooled):
            # An attempt that nobody waits for any more is given up.
            pooled.connecting.cancel()
            pooled.connecting = None
        if pooled.connection is None or pooled.connection.is_closed():
            self._drop(key, pooled)
            return
        over = len(self._pool) > self._settings.ssh_connections_max
        idle_s = 0.0 if over else self._settings.ssh_idle_s
        pooled.closing = asyncio.get_running_loop().call_later(idle_s, self._drop, key, pooled)

    def _drop(self, key: _Key, pooled: _Pooled) -> None:
        if self._pool.get(key) is pooled:
            del self._pool[key]
        if pooled.connection is not None:
            pooled.connection.close()

    async def _connect(self, host: Asset) -> asyncssh.SSHClientConnection:
        trusted = host_key(host)
        private = client_key(host, self._settings.credentials_dir)
        user = host.attributes.get("ssh_user", "")
        if not user:
            raise LoginRefusedError(f"the inventory holds no ssh_user for {host.name}")
        address = await address_of(host, allow_loopback=self._settings.allow_loopback)
        try:
            return await asyncssh.connect(
                address,
                ssh_port_of(host),
                username=user,
                known_hosts=([trusted], [], []),
                client_keys=[private],
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                connect_timeout=self._settings.connect_timeout_s,
                login_timeout=self._settings.connect_timeout_s,
                keepalive_interval=KEEPALIVE_S,
            )
        except (asyncssh.Error, OSError) as error:
            raise _connection_error(host, error) from error

    async def close(self) -> None:
        """Close every connection."""
        pooled, self._pool = list(self._pool.values()), {}
        for entry in pooled:
            if entry.closing is not None:
                entry.closing.cancel()
            if entry.connection is not None:
                entry.connection.close()
                await entry.connection.wait_closed()

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return sum(entry.connection is not None and not entry.connection.is_closed() for entry in self._pool.values())


async def start_process(
    connection: asyncssh.SSHClientConnection, host: Asset, command: str
) -> asyncssh.SSHClientProcess[bytes]:
    """Start a command line whose arguments are quoted already.

    Raises ToolError where the host refused, and ConnectionBrokenError where it may have begun it.
    """
    try:
        return await connection.create_process(command, encoding=None, stdin=asyncssh.DEVNULL)
    except (asyncssh.Error, OSError) as error:
        unopened = isinstance(error, asyncssh.ChannelOpenError) and error.code == asyncssh.OPEN_CONNECT_FAILED
        if connection.is_closed() and not unopened:
            raise connection_broke(host, error) from error
        raise ToolError(f"{host.name} did not start the command: {_reason(error)}") from error


def connection_broke(host: Asset, error: Exception) -> HostUnreachableError:
    """The error to raise when a connection that was open ends in the middle."""
    return ConnectionBrokenError(f"the connection to {host.name} broke: {_reason(error)}")


def _settle(pooled: _Pooled) -> bool:
    """Keep what a finished attempt brought, also when its last waiter has just left; False while it goes on."""
    attempt = pooled.connecting
    if attempt is None or not attempt.done():
        return False
    pooled.connecting = None
    if not attempt.cancelled() and attempt.exception() is None:
        pooled.connection = attempt.result()
    return True


def quoted(argv: Sequence[str]) -> str:
    """The command line in which every argument stands quoted. Raises BadArgumentError for a string, none, or a NUL."""
    if isinstance(argv, str) or not argv:
        raise BadArgumentError("a command is a list of arguments, never one string")
    if any("\0" in argument for argument in argv):
        raise BadArgumentError("an argument holds a NUL")
    return " ".join(shlex.quote(argument) for argument in argv)


def _key(host: Asset) -> _Key:
    attributes = host.attributes
    return (
        host.id,
        host.address,
        ssh_port_of(host),
        attributes.get("ssh_user", ""),
        attributes.get("ssh_host_key", ""),
        attributes.get("credential", ""),
    )


async def _limited(reader: asyncssh.SSHReader[bytes], host: Asset) -> bytes:
    chunks: list[bytes] = []
    room = OUTPUT_BYTES_MAX
    while chunk := await reader.read(32 * 1024):
        room -= len(chunk)
        if room < 0:
            raise OutputTooLargeError(f"a command on {host.name} printed more than {OUTPUT_BYTES_MAX // 1024} kB")
        chunks.append(chunk)
    return b"".join(chunks)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _connection_error(host: Asset, error: Exception) -> ToolError:
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or (
        isinstance(error, asyncssh.KeyExchangeFailed) and "host key" in error.reason.casefold()
    ):
        return HostKeyMismatchError(f"{host.name} showed another host key than the inventory holds; nothing was sent")
    if isinstance(error, asyncssh.PermissionDenied):
        return LoginRefusedError(f"{host.name} refused the user or key of the inventory")
    return HostUnreachableError(f"{host.name} could not be reached by ssh: {_reason(error)}")


def _refusal(reason: str) -> str:
    # OpenSSH says "Connection refused", other servers pass on their system's error.
    refused = "refused" in reason.casefold() or "errno 111" in reason.casefold()
    return "connection refused" if refused else reason[:200]


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(text)[:300] or type(error).__name__
