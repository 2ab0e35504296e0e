"""What the chassis' tests share: connections to the test's broker, and a wire that can be cut."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.testing.broken_wire import BrokenWire
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.wire import WireClient

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside the tests: test folders are no packages here


@pytest.fixture
async def wire(nats_server: NatsServer) -> AsyncIterator[BrokenWire]:
    """A proxy before the test's broker."""
    proxy = BrokenWire(nats_server.port)
    await proxy.start()
    yield proxy
    proxy.stop()


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
def model() -> Iterator[ScriptedModel]:
    """A model server that answers until a test says otherwise."""
    from inference_scene import GOOD  # takes a second, which only these tests need

    with ScriptedModel(GOOD) as running:
        yield running


@pytest.fixture
def second() -> Iterator[ScriptedModel]:
    """The next one of the chain."""
    from inference_scene import said_by

    with ScriptedModel(said_by("second")) as running:
        yield running
