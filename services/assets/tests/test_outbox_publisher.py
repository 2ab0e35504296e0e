"""From the outbox to the stream: in order, forgotten only when the broker has it, and kept while the broker is away."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opswire.assets.inventory.store import Inventory
from opswire.assets.inventory.tables import OUTBOX
from opswire.assets.records import AssetRecord
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.errors import RetryableError
from opswire.chassis.testing.upstream import Upstream
from opswire.contracts.routes import CHANGES, PARKED
from publishing import publisher_of
from sqlalchemy import update

DYING = Path(__file__).parent / "dying_publisher.py"
CHANGED = "opswire.changes.v1.asset.*"


@pytest.fixture
async def inventory(inventory_url: str) -> AsyncIterator[Inventory]:
    opened = await Inventory.open(inventory_url)
    await opened.upsert([AssetRecord(name=f"host-{n}", type="host", environment="test") for n in range(3)], "test")
    yield opened
    await opened.close()


def told(bodies: list[bytes]) -> list[tuple[str, int]]:
    changes = [json.loads(body) for body in bodies]
    return [(change["asset"]["name"], change["generation"]) for change in changes]


async def test_changes_go_out_in_order_and_are_forgotten(
    inventory: Inventory, nats_server: NatsServer, upstream: Upstream
) -> None:
    outbox, counter, client = await publisher_of(inventory, nats_server.url)
    assert await outbox.publish_batch() == 3
    assert await inventory.outbox_pending() == []
    assert await outbox.publish_batch() == 0
    await inventory.set("host-1", {"owner": "team-night"})
    assert await outbox.publish_batch() == 1
    bodies = await upstream.read(CHANGED, 4, 10, CHANGES)
    assert told(bodies) == [("host-0", 1), ("host-1", 1), ("host-2", 1), ("host-1", 2)]
    assert counter._value.get() == 4
    await client.close()


async def test_while_the_broker_is_away_every_change_is_kept(inventory: Inventory, nats_server: NatsServer) -> None:
    outbox, counter, client = await publisher_of(inventory, nats_server.url)
    await client.close()
    with pytest.raises(RetryableError):
        await outbox.publish_batch()
    assert len(await inventory.outbox_pending()) == 3
    assert counter._value.get() == 0


async def test_a_change_by_hand_overtakes_an_import_and_stays_behind_its_own_assets_past(inventory: Inventory) -> None:
    await inventory.outbox_sent([row.id for row in await inventory.outbox_pending()])
    await inventory.upsert([AssetRecord(name=f"bulk-{n:03}") for n in range(150)], "test")
    await inventory.set("bulk-140", {"owner": "me"})
    await inventory.set("host-1", {"owner": "me"})
    rows = await inventory.outbox_pending(4)
    assert told([row.body for row in rows]) == [("bulk-140", 1), ("bulk-140", 2), ("host-1", 2), ("bulk-000", 1)]
    assert [row.bulk for row in rows] == [False, False, False, True]
    by_hand = await inventory.outbox_latest()
    assert by_hand == rows[2].id
    await inventory.outbox_sent([row.id for row in rows[:3]])
    assert await inventory.outbox_is_sent(by_hand)
    waiting = await inventory.outbox_pending(1_000)
    assert len(waiting) == 149
    assert not await inventory.outbox_is_sent(waiting[-1].id)


async def test_a_poison_row_is_parked_and_what_the_asset_is_now_is_told(
    inventory: Inventory, nats_server: NatsServer, upstream: Upstream
) -> None:
    poison = (await inventory.outbox_pending())[1]
    with inventory._engines.write.begin() as connection:
        connection.execute(update(OUTBOX).where(OUTBOX.c.id == poison.id).values(body=b'{"half": '))
    outbox, _, client = await publisher_of(inventory, nats_server.url)
    assert await outbox.publish_batch() == 3
    assert await outbox.publish_batch() == 1
    assert await outbox.publish_batch() == 0
    bodies = await upstream.read(CHANGED, 3, 10, CHANGES)
    assert told(bodies) == [("host-0", 1), ("host-2", 1), ("host-1", 1)]
    (parked,) = [json.loads(body) for body in await upstream.read("opswire.parked.v1.assets.*", 1, 10, PARKED)]
    assert (parked["code"], base64.b64decode(parked["body_base64"])) == ("unreadable_change", b'{"half": ')
    assert (parked["subject"], parked["headers"]) == (poison.subject, {"Nats-Msg-Id": poison.message_id})
    await client.close()


async def test_a_replacement_that_is_unreadable_too_ends_there(
    inventory: Inventory, nats_server: NatsServer, upstream: Upstream
) -> None:
    outbox, _, client = await publisher_of(inventory, nats_server.url)
    for left in (3, 0):
        with inventory._engines.write.begin() as connection:
            connection.execute(update(OUTBOX).values(body=b"\x00"))
        await outbox.publish_batch()
        assert len(await inventory.outbox_pending()) == left
    assert len(await upstream.read("opswire.parked.v1.assets.*", 6, 10, PARKED)) == 6
    await client.close()


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["committed", "published", "marked"])
async def test_killed_at_each_moment_the_change_is_in_the_stream_under_one_id(
    inventory: Inventory, inventory_url: str, nats_server: NatsServer, upstream: Upstream, moment: str
) -> None:
    arguments = (str(DYING), inventory_url, nats_server.url, moment)
    worker = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    assert await worker.stdout.readline() == f"{moment}\n".encode()
    worker.send_signal(signal.SIGKILL)
    assert await worker.wait() == -signal.SIGKILL
    waiting = [row.message_id for row in await inventory.outbox_pending()]
    outbox, _, client = await publisher_of(inventory, nats_server.url)
    published = await outbox.publish_batch()
    assert published == len(waiting) == (0 if moment == "marked" else 4)
    bodies = await upstream.read(CHANGED, 4, 10, CHANGES)
    assert told(bodies) == [("host-0", 1), ("host-1", 1), ("host-2", 1), ("host-1", 2)]
    # What was published before the kill and again after it had the same id: the broker kept one.
    assert (await client.jetstream().stream_info(CHANGES)).state.messages == 4
    await client.close()


async def test_a_commit_of_another_process_is_heard_of_at_once_where_the_database_tells(
    inventory: Inventory, inventory_url: str, nats_server: NatsServer, upstream: Upstream
) -> None:
    if not inventory.tells:  # SQLite is polled: soon is all that is promised
        outbox, _, client = await publisher_of(inventory, nats_server.url, poll_s=0.05)
        tasks = [asyncio.create_task(outbox.run())]
    else:
        outbox, _, client = await publisher_of(inventory, nats_server.url, poll_s=60)
        tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(inventory.listen())]
    await upstream.read(CHANGED, 3, 10, CHANGES)
    other = await Inventory.open(inventory_url)
    await other.set("host-2", {"owner": "somebody else"})
    bodies = await upstream.read(CHANGED, 4, 10, CHANGES)
    assert told(bodies)[-1] == ("host-2", 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await other.close()
    await client.close()
