"""What the tests of the command line share: a real broker with the real streams."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import end, log_tail, spawn
from opswire.chassis.provision import provision
from opswire.chassis.testing.waiting import wait_until
from opswire.cli.testing import CommandLine

TOKEN = "token-of-a-test"
READY_WITHIN_S = 60
StartService = Callable[..., str]


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


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


@pytest.fixture(scope="module")
def start_service(broker: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """Starts a service by its name, with more settings where they are given; answers its address once it is ready."""
    asyncio.run(provision(broker.url))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPSWIRE_")}
    with ExitStack() as processes:

        def start(name: str, **settings: str) -> str:
            state = tmp_path_factory.mktemp(name)
            port = free_port(frozenset())
            ours = {
                "OPSWIRE_NATS_URL": broker.url,
                "OPSWIRE_HTTP_PORT": str(port),
                "OPSWIRE_HTTP_TOKEN": TOKEN,
                "OPSWIRE_STATE_DIR": str(state),
            }
            log, url = state / f"{name}.log", f"http://127.0.0.1:{port}"
            process = spawn([sys.executable, "-m", f"opswire.{name}"], log, clean | ours | settings)
            processes.callback(end, process)
            wait_until(lambda: process.poll() is not None or _is_ready(url), lambda: log_tail(log), READY_WITHIN_S)
            assert process.poll() is None, log_tail(log)
            return url

        yield start
