"""What the executor's tests share: contexts, and a real SSH server on loopback that runs real commands."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from opswire.chassis.caching.cache import Cache
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.provision import provision
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.upstream import Upstream
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import AlertSummary, Asset, Entity, IntentFinding, Requester
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, RequesterKind, Risk
from opswire.executor.adapters.result_codec import ResultCodec
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.usecases.kept_results import Kept, KeptResults
from opswire.executor.usecases.story import Key

sys.path.insert(0, str(Path(__file__).parent))

ContextMaker = Callable[..., ContextResolved]
AssetMaker = Callable[..., Asset]


def build_asset(name: str, kind: str = "host", **more: object) -> Asset:
    values: dict[str, object] = {"environment": "production", "address": "10.1.2.3"} | more
    safe = "".join(character if character.isalnum() else "_" for character in name)[:64] or "x"
    return Asset.model_validate({"id": safe, "name": name, "type": kind} | values)


def build_context(
    intent: str,
    text: str = "a question",
    assets: Iterable[Asset] = (),
    entities: Sequence[tuple[str, str]] = (),
    hosts: Iterable[Asset] = (),
    selection: str | None = None,
    total: int | None = None,
    alerts: Iterable[AlertSummary] = (),
) -> ContextResolved:
    selected = list(assets)
    return ContextResolved(
        request_id="request-1",
        requester=Requester(id="dana", kind=RequesterKind.HUMAN),
        text=text,
        intent=IntentFinding(
            name=IntentName(intent),
            confidence=0.99,
            entities=[Entity(type=EntityType(kind), value=value) for kind, value in entities],
            risk=Risk.LOW,
            source=IntentSource.LOCAL,
        ),
        selection=selection or ("named" if selected else "none"),
        assets=selected,
        hosts=list(hosts),
        total=len(selected) if total is None else total,
        alerts=list(alerts),
        accepted_ns=1,
        deadline_ns=2,
    )


@pytest.fixture
def make_asset() -> AssetMaker:
    return build_asset


@pytest.fixture
def make_context() -> ContextMaker:
    return build_context


@dataclass
class SshHost:
    """A running SSH server: where it is, what it serves, and what it has seen."""

    root: Path
    credentials_dir: Path
    port: int = 0
    host_key: str = ""
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    forwarding: bool = True
    pids: list[int] = field(default_factory=list)
    outlives: bool = False
    """Commands go on when their channel closes, as OpenSSH's do."""
    tells_status: bool = True
    """Otherwise channels close without a word on how the command ended, as when the host is shut down."""

    def asset(self, name: str = "web-01", **attributes: str) -> Asset:
        own = {
            "ssh_port": str(self.port),
            "ssh_user": "opswire",
            "ssh_host_key": self.host_key,
            "credential": "file:keys/id_ed25519",
        }
        return build_asset(name, address="127.0.0.1", attributes=own | attributes)


@pytest.fixture
async def ssh_host(tmp_path: Path) -> AsyncIterator[SshHost]:
    host = SshHost(tmp_path / "root", tmp_path / "state")
    host.root.mkdir()
    (host.credentials_dir / "keys").mkdir(parents=True)
    client = asyncssh.generate_private_key("ssh-ed25519")
    client.write_private_key(str(host.credentials_dir / "keys" / "id_ed25519"))
    server_key = asyncssh.generate_private_key("ssh-ed25519")
    host.host_key = server_key.export_public_key().decode().strip()
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Server(host),
        server_host_keys=[server_key],
        authorized_client_keys=asyncssh.import_authorized_keys(client.export_public_key().decode()),
        process_factory=lambda process: _run_for_real(process, host),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(host.root)),
        encoding=None,
    )
    host.port = acceptor.get_port()
    yield host
    acceptor.close()
    await acceptor.wait_closed()


class _Server(asyncssh.SSHServer):
    def __init__(self, host: SshHost) -> None:
        self._host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._host.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.lost.set()

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if not self._host.forwarding:
            # What OpenSSH answers under `AllowTcpForwarding no`.
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return True


async def _run_for_real(process: asyncssh.SSHServerProcess[bytes], host: SshHost) -> None:
    assert process.command is not None
    host.commands.append(process.command)
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command,
        cwd=host.root,
        env={"PATH": f"{host.root}/bin:/usr/bin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    host.pids.append(child.pid)
    host.begun.set()
    closed = asyncio.ensure_future(process.channel.wait_closed())
    work = asyncio.ensure_future(_pump(process, child, host))
    try:
        await asyncio.wait((work, closed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not host.outlives:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        for task in (work, closed):
            task.cancel()
        await asyncio.gather(work, closed, return_exceptions=True)
        # `wait` returns only when the pipes are read to their end.
        await child.communicate()
        host.ended.set()


async def _pump(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process, host: SshHost) -> None:
    assert child.stdout is not None
    assert child.stderr is not None
    while chunk := await child.stdout.read(32_768):
        process.stdout.write(chunk)
        await process.stdout.drain()
    process.stderr.write(await child.stderr.read())
    status = await child.wait()
    if host.tells_status:
        process.exit(status)
    else:
        process.close()


@pytest.fixture
async def drivers(ssh_host: SshHost) -> AsyncIterator[Drivers]:
    settings = DriverSettings(ssh_host.credentials_dir, allow_loopback=True, connect_timeout_s=5.0)
    async with Drivers(settings) as built:
        yield built


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A running service of the chassis on a real broker: its log is a real one."""
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        running = Service("executor", "1", ServiceSettings(nats_url=server.url, http_port=0))
        await running.start()
        yield running
        await running.stop()


@pytest.fixture
def kept(service: Service) -> KeptResults:
    cache: Cache[Kept] = Cache("tool_result", ResultCodec(), service.log, None, Metrics(), 30)
    return KeptResults(cache, "v")


@pytest.fixture
def upstream_of(service: Service) -> Callable[..., Awaitable[None]]:
    """Publishes the submission that a request's other facts speak of."""

    async def submitted(key: Key, deadline_ms: int = 60_000) -> None:
        async with Upstream(service.settings.nats_url, source=key.source) as upstream:
            await upstream.submit("restart it", request_id=key.request_id, deadline_ms=deadline_ms)

    return submitted
