"""What the tests of the command line share: a real broker with the real streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.provision import provision
from opswire.cli.testing import CommandLine


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A real NATS server; the disk is not waited for, no test here cuts the power."""
    with NatsServer(tmp_path_factory.mktemp("nats"), sync_always=False) as server:
        yield server


@pytest.fixture
async def client(broker: NatsServer) -> AsyncIterator[Client]:
    """A plain NATS connection to it, with the real streams made."""
    await provision(broker.url)
    connection = await nats.connect(broker.url)
    yield connection
    await connection.close()


@pytest.fixture
def opswire(tmp_path: Path, broker: NatsServer) -> CommandLine:
    """The command line on that broker."""
    return CommandLine(tmp_path / "state", {"OPSWIRE_NATS_URL": broker.url})
