"""What the chassis' tests share: connections to the test's broker, and a wire that can be cut."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.wire import WireClient

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside the tests: test folders are no packages here


@dataclass
class Wire:
    """A TCP proxy before the broker. `mute` swallows what the broker says; `cut` ends the connections."""

    target_port: int
    port: int = 0
    mute: bool = False
    closed: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back, False), self._pump(there, writer, True))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_broker: bool) -> None:
        try:
            while data := await reader.read(65_536):
                if not (from_broker and self.mute):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def cut(self) -> None:
        """End every connection; new ones are taken unless `closed`."""
        for writer in list(self._writers):
            writer.transport.abort()


@pytest.fixture
async def wire(nats_server: NatsServer) -> AsyncIterator[Wire]:
    """A proxy before the test's broker."""
    proxy = Wire(nats_server.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    proxy.cut()
    server.close()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., asyncio.Future[WireClient]]]:
    """Connects WireClients that reconnect at once, and closes them at the end."""
    opened: list[WireClient] = []

    async def connected(url: str, **options: object) -> WireClient:
        client = WireClient()
        await client.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.02, **options)
        opened.append(client)
        return client

    yield connected  # type: ignore[misc]
    for client in opened:
        await client.close()


@pytest.fixture
def broker_settings(nats_server: NatsServer) -> ServiceSettings:
    """A service's settings for the test's broker."""
    return ServiceSettings(nats_url=nats_server.url)
