"""An inventory in a database of its own for each test, SQLite and PostgreSQL alike, and one like the lab's."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opswire.assets.importers.opswire_yaml import read_yaml
from opswire.assets.inventory.migrate import migrate
from opswire.assets.inventory.store import Inventory
from opswire.assets.inventory.tables import METADATA
from opswire.chassis.testing.postgres_server import PostgresServer

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside the tests: test folders are no packages here

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


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that was migrated once, to be copied: Alembic takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "inventory.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgres: PostgresServer) -> str:
    """The URL of a database that was migrated once, to be emptied for each test."""
    url = postgres.new_database()
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is empty or does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inventory.sqlite3"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def inventory_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an inventory without assets: every test that uses it runs on both engines."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "inventory.sqlite3")
        return f"sqlite:///{tmp_path}/inventory.sqlite3"
    url: str = request.getfixturevalue("migrated_postgresql")
    request.getfixturevalue("postgres").empty(url, METADATA.tables)
    return url


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
