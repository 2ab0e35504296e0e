"""What only a database server can do to an inventory: go away, come back, hang; and what only it offers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest
from opswire.assets.errors import InventoryUnavailableError
from opswire.assets.inventory.engine import open_engines
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetFilter, AssetRecord
from opswire.chassis.testing.postgres_server import PostgresServer, running_postgres
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

IMAGE = "postgres:16-alpine"


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that this test may kill."""
    with running_postgres() as server:
        yield server


def engine_answers() -> bool:
    """Whether a container engine runs on this machine."""
    try:
        docker.from_env(timeout=2).ping()
    except (docker.errors.DockerException, OSError):
        return False
    return True


@pytest.fixture(params=["process", *(["container"] if engine_answers() else [])])
def any_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each PostgreSQL that can be had here."""
    if request.param == "process":
        server: PostgresServer = request.getfixturevalue("postgres")
        yield server.new_database()
        return
    with DockerContainer(IMAGE).with_env("POSTGRES_HOST_AUTH_METHOD", "trust").with_exposed_ports(5432) as container:
        wait_for_logs(container, "database system is ready to accept connections.*\n.*listening", timeout=60)
        yield f"postgresql://postgres@{container.get_container_host_ip()}:{container.get_exposed_port(5432)}/postgres"


async def test_any_postgresql_takes_the_schema_and_keeps_assets_in_order(any_url: str) -> None:
    inventory = await Inventory.open(any_url)
    assert inventory.system == "postgresql"
    await inventory.upsert([AssetRecord(name=name) for name in ("b-1", "B_1", "a.1", "ä-1")], "x")
    assets, _ = await inventory.search(AssetFilter())
    # As SQLite orders them: by code point, whatever language the server was set up in.
    assert [asset.name for asset in assets] == ["a.1", "b-1", "B_1", "ä-1"]
    await inventory.close()


async def test_a_server_that_was_killed_and_came_back_is_used_again_and_lost_nothing(
    own_server: PostgresServer,
) -> None:
    inventory = await Inventory.open(own_server.new_database())
    await inventory.upsert([AssetRecord(name="a")], "x")
    listening = asyncio.create_task(inventory.listen())
    inventory.changed.clear()
    await inventory.changed.wait()
    own_server.kill()
    with pytest.raises(InventoryUnavailableError):
        await inventory.get("a")
    with pytest.raises(InventoryUnavailableError):
        await inventory.set("a", {"owner": "me"})
    inventory.changed.clear()
    own_server.start(timeout_s=60)
    # Whoever listens hears of the new connection: what happened meanwhile must be looked for.
    async with asyncio.timeout(30):
        await inventory.changed.wait()
    assert (await inventory.get("a")).generation == 1
    assert (await inventory.set("a", {"owner": "me"})).generation == 2
    assert len(await inventory.outbox_pending()) == 2
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await inventory.close()


async def test_a_server_that_hangs_stops_nobody_else(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.assets.inventory.store.READ_TIMEOUT_S", 0.5)
    inventory = await Inventory.open(own_server.new_database())
    await inventory.upsert([AssetRecord(name="a")], "x")
    listed = Path(f"/proc/{own_server.pid}/task/{own_server.pid}/children").read_text(encoding="ascii")
    children = [int(pid) for pid in listed.split()]
    for pid in (own_server.pid, *children):
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(InventoryUnavailableError):
            await inventory.get("a")
    finally:
        for pid in (*children, own_server.pid):
            os.kill(pid, signal.SIGCONT)
    assert (await inventory.get("a")).name == "a"
    await inventory.close()


async def test_writers_of_two_processes_never_give_one_generation_twice_nor_orphan_a_child(
    own_server: PostgresServer,
) -> None:
    url = own_server.new_database()
    one, two = await Inventory.open(url), await Inventory.open(url)
    await one.upsert([AssetRecord(name="host-1")], "x")
    for number in range(20):
        child = AssetRecord(name=f"child-{number}", type="service", parent="host-1")
        outcomes = await asyncio.gather(two.upsert([child], "x"), one.delete("host-1"), return_exceptions=True)
        assert not isinstance(outcomes[0], BaseException)
        if isinstance(outcomes[1], BaseException):
            await one.delete(f"child-{number}")
        else:
            await two.delete(f"child-{number}")
            await one.upsert([AssetRecord(name="host-1")], "x")
    ids = [row.message_id for row in await one.outbox_pending(1_000)]
    assert len(ids) == len(set(ids)) > 40
    await one.close()
    await two.close()


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="sqlite or postgresql"):
        open_engines("mysql://somebody@127.0.0.1/inventory")
