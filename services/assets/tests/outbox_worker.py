"""Run by test_inventory_outbox.py and killed by it: changes one asset and publishes into a file."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetRecord
from opswire.contracts.asset_changed import AssetChanged


async def publish(inventory: Inventory, published: Path) -> None:
    rows = await inventory.outbox_pending()
    with published.open("a") as file:
        for row in rows:
            change = AssetChanged.from_bytes(row.body)
            file.write(json.dumps({"name": "a", "generation": change.generation}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    await inventory.outbox_sent([row.id for row in rows])


async def run(url: str, published: Path, mode: str) -> None:
    inventory = await Inventory.open(url)
    await inventory.upsert([AssetRecord(name="a")], "worker")
    if mode == "commit-then-stand-still":
        await inventory.set("a", {"owner": "me"})
        print("committed", flush=True)  # noqa: T201  the parent waits for it
        await asyncio.Event().wait()
    while True:
        generation = (await inventory.get("a")).generation
        await inventory.set("a", {"attributes.step": str(generation)})
        print(generation, flush=True)  # noqa: T201
        await publish(inventory, published)


asyncio.run(run(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
