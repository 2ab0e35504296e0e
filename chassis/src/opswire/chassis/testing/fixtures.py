"""Fixtures with real servers, for every package's tests; conftest.py at the top loads them as a plugin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.provision import provision
from opswire.chassis.testing.upstream import Upstream

if TYPE_CHECKING:
    from opswire.chassis.testing.browser import Browser
    from opswire.chassis.testing.postgres_server import PostgresServer


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A real NATS server with empty streams, provisioned. Synchronous writes are off: these tests cut no power."""
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        asyncio.run(provision(server.url))
        yield server


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A real, empty Valkey server."""
    with ValkeyServer(tmp_path / "valkey") as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, shared by all tests; each takes a database of its own."""
    from opswire.chassis.testing.postgres_server import running_postgres  # loaded where it is wanted

    with running_postgres() as server:
        yield server


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser with a fresh profile. Whoever asks for it is skipped where none is installed."""
    from opswire.chassis.testing.browser import INSTALL, Browser, installed_browser  # loaded where it is wanted

    program = installed_browser()
    if program is None:
        pytest.skip(INSTALL)
    found = Browser(program, tmp_path / "browser")
    yield found
    found.close()


@pytest_asyncio.fixture
async def upstream(nats_server: NatsServer) -> AsyncIterator[Upstream]:
    """A plain client of the test's broker."""
    async with Upstream(nats_server.url) as client:
        yield client
