"""An inventory in a file of its own for each test, and one like the lab's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opswire.assets.importers.opswire_yaml import read_yaml
from opswire.assets.inventory.store import Inventory

LAB_LIKE = """
defaults: {environment: production, owner: shop-team}
assets:
  - {name: web-01, address: 127.0.0.1, groups: [web], tags: [edge], os: Debian 12, site: DC1}
  - {name: web-02, address: 127.0.0.1, groups: [web], environment: staging, os: Debian 12, site: DC1}
  - {name: db-01, address: 10.0.0.3, groups: [data], os: Windows Server 2019, site: DC2}
  - {name: checkout@web-01, aliases: [checkout], type: service, parent: web-01, address: 127.0.0.1}
  - {name: checkout@web-02, aliases: [checkout], type: service, parent: web-02, environment: staging}
  - {name: storefront@web-01, aliases: [storefront, shop], type: service, parent: web-01}
  - {name: orders-db@db-01, aliases: [orders-db], type: database, parent: db-01, address: 10.0.0.3}
  - {name: app1.eu.example.com, address: 10.1.1.1, tags: [edge]}
  - {name: api.eu.example.com, address: 10.1.1.2}
  - {name: api.us.example.com, address: 10.1.1.3, environment: staging}
  - {name: shop-app, type: application, aliases: [shop]}
"""


@pytest.fixture
def inventory_url(tmp_path: Path) -> str:
    """The URL of a database that does not exist yet."""
    return f"sqlite:///{tmp_path}/inventory.sqlite3"


@pytest.fixture
async def inventory(inventory_url: str) -> AsyncIterator[Inventory]:
    """An empty inventory."""
    opened = await Inventory.open(inventory_url)
    yield opened
    await opened.close()


@pytest.fixture
async def stocked(inventory: Inventory) -> Inventory:
    """An inventory with the assets above, its outbox empty."""
    report = await inventory.upsert(read_yaml(LAB_LIKE).records, "opswire-yaml")
    assert report.created == 11
    await inventory.outbox_sent([row.id for row in await inventory.outbox_pending()])
    return inventory
