"""A diagnosis sees what its assets need, and where that lives; nothing else does, and none of it is a target."""

from __future__ import annotations

import pytest
from opswire.assets.adapters.sql_reader import SqlReader
from opswire.assets.importers.opswire_yaml import read_yaml
from opswire.assets.inventory.store import Inventory
from opswire.assets.usecases.related import NEEDED_MAX, needed_names
from opswire.assets.usecases.resolve import Selection, resolve
from opswire.assets.usecases.select_assets import tags_of
from opswire.contracts.caches_invalidated.tags import INVENTORY
from opswire.contracts.findings import Asset, Entity, IntentFinding
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, Risk

WORLD = """assets:
  - {name: shop@web-01, type: service, parent: web-01, attributes: {depends_on: "store@db-01, web-02 ,no,,Store@DB-01"}}
  - {name: store@db-01, type: database, parent: db-01, attributes: {port: "5432", depends_on: tape-01}}
  - {name: tape-01, type: host}
  - {name: boxed, type: service, parent: pod-1, attributes: {depends_on: store@db-01}}
  - {name: pod-1, type: pod, parent: web-01}
  - {name: lonely, type: service, parent: nowhere, attributes: {depends_on: store@db-01}}
  - {name: free, type: service, attributes: {depends_on: "shop@web-01"}}
"""


def finding(name: IntentName, *services: str) -> IntentFinding:
    entities = [Entity(type=EntityType.SERVICE, value=value) for value in services]
    return IntentFinding(name=name, confidence=1.0, entities=entities, risk=Risk.LOW, source=IntentSource.RULE)


async def seen(inventory: Inventory, name: IntentName, *services: str) -> Selection:
    return await resolve(finding(name, *services), SqlReader(inventory))


@pytest.fixture
async def world(stocked: Inventory) -> Inventory:
    report = await stocked.upsert(read_yaml(WORLD).records, "opswire-yaml")
    assert not report.rejected
    return stocked


def names(assets: list[Asset]) -> list[str]:
    return [asset.name for asset in assets]


async def test_hosts_come_first_then_what_is_needed_then_where_that_lives(world: Inventory) -> None:
    found = await seen(world, IntentName.DIAGNOSE_ISSUE, "shop@web-01")
    assert names(found.assets) == ["shop@web-01"]
    assert names(found.hosts) == ["web-01", "store@db-01", "web-02", "db-01"]
    assert found.total == 1


@pytest.mark.parametrize(
    "name", [IntentName.STATUS_CHECK, IntentName.SERVICE_RESTART, IntentName.DIAGNOSE_CONNECTIVITY]
)
async def test_other_intents_hold_the_hosts_alone(world: Inventory, name: IntentName) -> None:
    assert names((await seen(world, name, "shop@web-01")).hosts) == ["web-01"]


async def test_what_is_named_with_it_is_not_there_twice(world: Inventory) -> None:
    found = await seen(world, IntentName.DIAGNOSE_ISSUE, "shop@web-01", "store@db-01")
    assert names(found.assets) == ["shop@web-01", "store@db-01"]
    assert names(found.hosts) == ["web-01", "db-01", "tape-01", "web-02"]


@pytest.mark.parametrize(("name", "hosts"), [("boxed", ["web-01"]), ("lonely", [])])
async def test_nothing_stands_beside_what_is_not_directly_on_its_host(
    world: Inventory, name: str, hosts: list[str]
) -> None:
    """A reader takes the only host of a context for the host of such an asset."""
    found = await seen(world, IntentName.DIAGNOSE_ISSUE, name)
    assert names(found.hosts) == hosts
    assert tags_of(finding(IntentName.DIAGNOSE_ISSUE, name), found) == [INVENTORY]


async def test_needs_are_followed_one_step_and_no_further(world: Inventory) -> None:
    found = await seen(world, IntentName.DIAGNOSE_ISSUE, "free")
    assert names(found.hosts) == ["shop@web-01", "web-01"]


async def test_at_most_twenty_are_looked_up(world: Inventory) -> None:
    many = [f"need-{number:03}" for number in range(50)]
    text = "assets:\n" + "".join(f"  - {{name: {name}, type: host}}\n" for name in many)
    needy = f"  - {{name: needy, type: service, attributes: {{depends_on: '{','.join(reversed(many))}'}}}}\n"
    await world.upsert(read_yaml(text + needy).records, "opswire-yaml")
    found = await seen(world, IntentName.DIAGNOSE_ISSUE, "needy")
    assert sorted(names(found.hosts)) == many[-NEEDED_MAX:]
    assert needed_names(found.assets) == many[::-1][:NEEDED_MAX]
