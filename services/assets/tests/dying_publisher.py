"""Run by test_outbox_publisher.py and killed by it: changes an asset, publishes, and stands still at one moment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from opswire.assets.inventory.store import Inventory
from opswire.chassis.sending import Sender
from publishing import publisher_of


async def stand_still(moment: str) -> None:
    print(moment, flush=True)  # noqa: T201  the parent waits for it
    await asyncio.Event().wait()


async def run(url: str, broker: str, moment: str) -> None:
    inventory = await Inventory.open(url)
    outbox, _, _ = await publisher_of(inventory, broker)
    send, sent = Sender.send, Inventory.outbox_sent

    async def dying_send(self: Sender, *details: Any, **more: Any) -> bool:
        stored = await send(self, *details, **more)
        return stored if moment != "published" else bool(await stand_still(moment))

    async def dying_sent(self: Inventory, ids: Iterable[int]) -> None:
        await sent(self, ids)
        await stand_still("marked")

    if moment != "committed":
        Sender.send = dying_send  # type: ignore[method-assign]
        Inventory.outbox_sent = dying_sent  # type: ignore[method-assign]
    await inventory.set("host-1", {"owner": moment})
    if moment == "committed":
        await stand_still(moment)
    await outbox.run()


asyncio.run(run(*sys.argv[1:4]))
