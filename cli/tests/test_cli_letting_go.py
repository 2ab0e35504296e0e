"""When an import or an edit may say that no cache serves what was true before, while others change things too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.aio.client import Client
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.testing.waiting import one_turn, until
from opswire.cli import letting_go
from opswire.cli.bus import Bus, connected
from opswire.cli.letting_go import Watch, watching
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import ASSET_CHANGED, CACHES_INVALIDATED


@pytest_asyncio.fixture
async def watch(client: Client, broker: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    """A watch that begins now, and waits for no lease; `client` has made the streams."""
    monkeypatch.setattr(letting_go, "READ_LEASE_S", 0)
    async with connected(broker.url) as bus, watching(bus) as begun:
        yield begun


async def change(bus: Bus, name: str, generation: int = 2) -> None:
    message = AssetChanged(asset_id=name, kind="deleted", generation=generation, changed_ns=1)
    await bus.client.jetstream().publish(ASSET_CHANGED.subject(asset_id=name), message.to_bytes())


async def invalidate(bus: Bus, name: str, generation: int = 2) -> None:
    message = CachesInvalidated(tags=["x"], cause=f"asset:{name}@{generation}", nonce="0" * 32, at_ns=1)
    await bus.client.jetstream().publish(CACHES_INVALIDATED.template, message.to_bytes())


async def turns() -> None:
    """Enough for a wait that has seen what it waits for to end."""
    for _ in range(5):
        await one_turn()


async def test_an_edit_is_settled_by_its_own_invalidation_alone(watch: Watch) -> None:
    await change(watch.bus, "of-somebody-else")
    await change(watch.bus, "ours")
    await invalidate(watch.bus, "ours", generation=1)
    waiting = asyncio.create_task(watch.settled({("ours", 2)}))
    await until(lambda: ("ours", 1) in watch.invalidated)
    await turns()
    assert not waiting.done()
    await invalidate(watch.bus, "ours")
    assert await waiting
    assert await watch.settled(set(), timeout_s=0)


async def test_an_import_is_not_settled_by_as_many_changes_of_somebody_else(watch: Watch) -> None:
    await change(watch.bus, "of-somebody-else")
    await invalidate(watch.bus, "of-somebody-else")
    await change(watch.bus, "ours")
    waiting = asyncio.create_task(watch.settled_until_now())
    await until(lambda: ("ours", 2) in watch.changed)
    await turns()
    assert not waiting.done()
    await change(watch.bus, "later")
    await invalidate(watch.bus, "ours")
    assert await waiting


async def test_an_import_of_which_nothing_is_heard_is_not_called_settled(watch: Watch) -> None:
    await change(watch.bus, "ours")
    assert not await watch.settled_until_now(timeout_s=0)
