"""An outbox publisher on a real broker, as the service puts it together."""

from __future__ import annotations

from opswire.assets.adapters.outbox_publisher import OutboxPublisher
from opswire.assets.inventory.store import Inventory
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import Publisher
from opswire.chassis.sending import Sender
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import FACTS
from prometheus_client import CollectorRegistry, Counter


async def publisher_of(
    inventory: Inventory, url: str, poll_s: float = 0.1
) -> tuple[OutboxPublisher, Counter, WireClient]:
    """The publisher, what it counts, and its connection."""
    client = WireClient()
    await client.connect(url)
    publisher = Publisher(client)
    await publisher.start()
    sender = Sender("assets", client, publisher, Facts(client, publisher, FACTS))
    counter = Counter("published", "Changes published.", registry=CollectorRegistry())
    return OutboxPublisher(inventory, sender, counter, poll_s), counter, client
