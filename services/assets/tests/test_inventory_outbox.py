"""The outbox: every change is told, in order, whatever is killed between the commit and the publish."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetRecord
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.routes import ASSET_CHANGED

WORKER = Path(__file__).parent / "outbox_worker.py"


async def test_rows_are_ready_made_and_go_out_in_order(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name="b"), AssetRecord(name="a")], "x")
    await inventory.set("a", {"owner": "me"})
    rows = await inventory.outbox_pending()
    told = [AssetChanged.from_bytes(row.body) for row in rows]
    assert [(change.asset.name, change.kind, change.generation) for change in told if change.asset] == [
        ("b", "created", 1),
        ("a", "created", 1),
        ("a", "updated", 2),
    ]
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert all(
        ASSET_CHANGED.variables(row.subject)["asset_id"] == change.asset_id
        for row, change in zip(rows, told, strict=True)
    )
    assert len({row.message_id for row in rows}) == 3
    assert [row.id for row in await inventory.outbox_pending(limit=2)] == [row.id for row in rows[:2]]


async def test_ids_grow_even_when_the_outbox_was_emptied(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name="a")], "x")
    (first,) = await inventory.outbox_pending()
    await inventory.outbox_sent([first.id])
    assert await inventory.outbox_latest() == 0
    await inventory.set("a", {"owner": "me"})
    assert await inventory.outbox_latest() > first.id


async def test_waiting_ends_when_the_rows_were_sent(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name="a")], "x")
    latest = await inventory.outbox_latest()
    assert inventory.changed.is_set()
    assert await inventory.wait_sent(latest, 0.01) is False
    waiting = asyncio.create_task(inventory.wait_sent(latest, 30))
    await inventory.outbox_sent([row.id for row in await inventory.outbox_pending()])
    assert await waiting is True
    assert await inventory.outbox_is_sent(latest)


async def test_a_change_that_fails_tells_nothing(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name="a"), AssetRecord(name="b")], "x")
    before = await inventory.outbox_latest()
    with pytest.raises(Exception, match="another asset"):
        await inventory.set("a", {"name": "b", "owner": "me"})
    assert await inventory.outbox_latest() == before


def start_worker(url: str, published: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), url, str(published), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def read_published(published: Path) -> list[tuple[str, int]]:
    if not published.exists():
        return []
    # The last line may be cut by the kill: then its publish was not acknowledged and its row still waits.
    lines = published.read_text().split("\n")[:-1]
    return [(found["name"], found["generation"]) for found in map(json.loads, lines)]


async def waiting_rows(inventory: Inventory) -> list[tuple[str, int]]:
    changes = [AssetChanged.from_bytes(row.body) for row in await inventory.outbox_pending(10_000)]
    return [(change.asset.name, change.generation) for change in changes if change.asset]


async def test_killed_between_commit_and_publish_the_change_still_waits(inventory_url: str, tmp_path: Path) -> None:
    worker = start_worker(inventory_url, tmp_path / "published", "commit-then-stand-still")
    assert worker.stdout is not None
    assert worker.stdout.readline() == "committed\n"
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(timeout=30) == -signal.SIGKILL
    inventory = await Inventory.open(inventory_url)
    assert await waiting_rows(inventory) == [("a", 1), ("a", 2)]
    assert (await inventory.get("a")).generation == 2
    await inventory.close()


@pytest.mark.faults
async def test_killed_at_any_moment_every_generation_is_published_or_waits(inventory_url: str, tmp_path: Path) -> None:
    seed = 20_261
    moments = random.Random(seed)
    published = tmp_path / "published"
    for kill in range(6):
        worker = start_worker(inventory_url, published, "change-and-publish")
        assert worker.stdout is not None
        for _ in range(moments.randint(1, 60)):
            assert worker.stdout.readline()
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(timeout=30) == -signal.SIGKILL
        inventory = await Inventory.open(inventory_url)
        generation = (await inventory.get("a")).generation
        told = set(read_published(published)) | set(await waiting_rows(inventory))
        await inventory.close()
        missing = {("a", number) for number in range(1, generation + 1)} - told
        assert not missing, f"lost after kill {kill} of seed {seed}: {sorted(missing)}"
        assert generation > 1
