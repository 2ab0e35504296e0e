"""From the outbox to the stream: in order, forgotten only when the broker has it, and kept while the broker is away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opswire.assets.adapters.outbox_publisher import OutboxPublisher
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetRecord
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.errors import RetryableError
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import Publisher
from opswire.chassis.sending import Sender
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import CHANGES, FACTS
from prometheus_client import CollectorRegistry, Counter


@pytest.fixture
async def inventory(tmp_path: Path) -> AsyncIterator[Inventory]:
    opened = await Inventory.open(f"sqlite:///{tmp_path / 'inventory.sqlite3'}")
    await opened.upsert([AssetRecord(name=f"host-{n}", type="host", environment="test") for n in range(3)], "test")
    yield opened
    await opened.close()


async def publisher_of(inventory: Inventory, url: str) -> tuple[OutboxPublisher, Counter, WireClient]:
    client = WireClient()
    await client.connect(url)
    publisher = Publisher(client)
    await publisher.start()
    sender = Sender("assets", client, publisher, Facts(client, publisher, FACTS))
    counter = Counter("published", "Changes published.", registry=CollectorRegistry())
    return OutboxPublisher(inventory, sender, counter, poll_s=0.1), counter, client


async def test_changes_go_out_in_order_and_are_forgotten(
    inventory: Inventory, nats_server: NatsServer, upstream: Upstream
) -> None:
    outbox, counter, client = await publisher_of(inventory, nats_server.url)
    assert await outbox.publish_batch() == 3
    assert await inventory.outbox_pending() == []
    assert await outbox.publish_batch() == 0
    await inventory.set("host-1", {"owner": "team-night"})
    assert await outbox.publish_batch() == 1
    bodies = [json.loads(body) for body in await upstream.read("opswire.changes.v1.asset.*", 4, 10, CHANGES)]
    assert [body["asset"]["name"] for body in bodies] == ["host-0", "host-1", "host-2", "host-1"]
    assert [body["generation"] for body in bodies] == [1, 1, 1, 2]
    assert counter._value.get() == 4
    await client.close()


async def test_while_the_broker_is_away_every_change_is_kept(inventory: Inventory, nats_server: NatsServer) -> None:
    outbox, counter, client = await publisher_of(inventory, nats_server.url)
    await client.close()
    with pytest.raises(RetryableError):
        await outbox.publish_batch()
    assert len(await inventory.outbox_pending()) == 3
    assert counter._value.get() == 0
