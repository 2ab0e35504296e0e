"""Resolution against a real inventory: exact names or a question, filters that count every word."""

from __future__ import annotations

import pytest
from opswire.assets.adapters.sql_reader import SqlReader
from opswire.assets.errors import AssetClarificationError, InventoryUnavailableError
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetRecord
from opswire.assets.usecases.resolve import Selection, resolve
from opswire.contracts.findings import Entity, IntentFinding
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, Risk


def intent(name: str, *words: str) -> IntentFinding:
    """An intent from words of the form `type:value`."""
    pairs = [word.partition(":") for word in words]
    entities = [Entity(type=EntityType(kind), value=value) for kind, _, value in pairs]
    return IntentFinding(
        name=IntentName(name), confidence=1.0, entities=entities, risk=Risk.LOW, source=IntentSource.RULE
    )


def seen(selection: Selection) -> tuple[str, list[str], list[str], int]:
    assets, hosts = ([asset.name for asset in found] for found in (selection.assets, selection.hosts))
    return selection.kind, assets, hosts, selection.total


FOUND = [
    ("status.check host:web-01", "named", ["web-01"], []),
    ("status.check host:WEB-01", "named", ["web-01"], []),
    ("status.check host:app1", "named", ["app1.eu.example.com"], []),
    ("status.check host:web-01:9100", "named", ["web-01"], []),
    ("status.check host:10.1.1.1", "named", ["app1.eu.example.com"], []),
    ("status.check service:checkout@web-02", "named", ["checkout@web-02"], ["web-02"]),
    ("status.check service:checkout host:web-02", "named", ["checkout@web-02"], ["web-02"]),
    ("status.check host:web-02 service:checkout", "named", ["checkout@web-02"], ["web-02"]),
    ("status.check service:checkout environment:stg", "named", ["checkout@web-02"], ["web-02"]),
    ("status.check host:api environment:staging", "named", ["api.us.example.com"], []),
    (
        "service.restart service:checkout host:web-01 host:web-02",
        "named",
        ["checkout@web-01", "checkout@web-02"],
        ["web-01", "web-02"],
    ),
    (
        "status.check database:orders-db service:storefront",
        "named",
        ["orders-db@db-01", "storefront@web-01"],
        ["db-01", "web-01"],
    ),
    ("status.check ip:10.0.0.3", "named", ["db-01"], []),
    ("status.check host:web-01 ip:127.0.0.1", "named", ["web-01"], []),
    ("logs.search service:storefront ip:192.0.2.7", "named", ["storefront@web-01"], ["web-01"]),
    ("file.read path:/etc/hosts host:db-01", "named", ["db-01"], []),
    ("diagnose.connectivity host:web-01 host:db-01 port:5432", "named", ["web-01", "db-01"], []),
    ("diagnose.connectivity host:db-01 host:web-01", "named", ["db-01", "web-01"], []),
    ("diagnose.connectivity host:web-01 database:orders-db", "named", ["web-01", "orders-db@db-01"], ["db-01"]),
    (
        "diagnose.connectivity service:checkout host:web-02 host:db-01",
        "named",
        ["checkout@web-02", "db-01"],
        ["web-02"],
    ),
    ("diagnose.connectivity host:web-01 host:www.example.org", "named", ["web-01"], []),
    ("diagnose.connectivity host:www.example.org", "none", [], []),
    ("alerts.list service:payments", "none", [], []),
    ("oncall.lookup service:storefront", "named", ["storefront@web-01"], ["web-01"]),
    ("asset.list asset_type:servers environment:staging", "filtered", ["api.us.example.com", "web-02"], []),
    ("asset.list asset_type:windows_boxes", "filtered", ["db-01"], []),
    ("asset.list asset_type:prod_databases", "filtered", ["orders-db@db-01"], []),
    ("asset.list asset_type:services host:web-01", "filtered", ["checkout@web-01", "storefront@web-01"], []),
    ("asset.list tag:edge", "filtered", ["app1.eu.example.com", "web-01"], []),
    ("asset.list host:web", "filtered", ["web-01", "web-02"], []),
    ("asset.list host:web-01 host:db-01", "filtered", ["db-01", "web-01"], []),
    (
        "asset.list site:dc2",
        "filtered",
        [
            "db-01",
        ],
        [],
    ),
    ("asset.list os:windows environment:staging", "filtered", [], []),
    ("asset.list asset_type:cluster", "filtered", [], []),
    (
        "status.check asset_type:services environment:prod",
        "filtered",
        ["checkout@web-01", "storefront@web-01"],
        ["web-01"],
    ),
    ("command.run asset_type:hosts tag:web", "filtered", ["web-01", "web-02"], []),
    ("release.deploy environment:staging version:2.4", "none", [], []),
    ("status.check", "none", [], []),
    ("logs.search time_range:today", "none", [], []),
    ("system.help", "none", [], []),
    ("knowledge.answer service:kubernetes host:nowhere", "none", [], []),
    ("out_of_scope", "none", [], []),
]


@pytest.mark.parametrize(("words", "kind", "assets", "hosts"), FOUND, ids=[row[0] for row in FOUND])
async def test_words_lead_to_exactly_these_assets(
    stocked: Inventory, words: str, kind: str, assets: list[str], hosts: list[str]
) -> None:
    name, *entities = words.split()
    asked = intent(name, *(entity.replace("_boxes", " boxes").replace("prod_", "prod ") for entity in entities))
    assert seen(await resolve(asked, SqlReader(stocked))) == (kind, assets, hosts, len(assets))


ASKED = [
    ("status.check service:checkout", "ambiguous_asset", ["checkout@web-01", "checkout@web-02"]),
    ("service.restart service:shop", "ambiguous_asset", ["shop-app", "storefront@web-01"]),
    ("status.check host:api", "ambiguous_asset", ["api.eu.example.com", "api.us.example.com"]),
    ("status.check ip:127.0.0.1", "ambiguous_asset", ["web-01", "web-02"]),
    ("diagnose.connectivity host:db-01 service:checkout", "ambiguous_asset", ["checkout@web-01", "checkout@web-02"]),
    ("status.check host:wbe-01", "unknown_asset", ["web-01"]),
    ("status.check host:zzzzzzzzzz", "unknown_asset", []),
    ("service.restart host:nginx@web-01", "unknown_asset", []),
    ("status.check ip:192.0.2.1", "unknown_asset", []),
    ("status.check service:nginx host:web-01", "unknown_asset", ["checkout@web-01", "storefront@web-01"]),
    ("diagnose.connectivity host:web-01 host:nowhere", "unknown_asset", []),
    ("diagnose.connectivity host:web-01 ip:192.0.2.1", "unknown_asset", []),
    ("data.delete database:staging_tmp", "unknown_asset", []),
    ("status.check service:orders-db host:web-02", "asset_mismatch", ["orders-db@db-01"]),
    (
        "service.restart service:checkout host:web-01 host:db-01",
        "asset_mismatch",
        ["checkout@web-01", "checkout@web-02"],
    ),
    ("service.restart host:web-01 environment:staging", "asset_mismatch", ["web-01"]),
    ("status.check service:checkout environment:test", "asset_mismatch", ["checkout@web-01", "checkout@web-02"]),
    ("asset.list environment:test", "unknown_filter", []),
    ("asset.count site:atlantis", "unknown_filter", []),
    ("asset.list environment:prod environment:test", "unknown_filter", []),
    ("asset.list tag:nothing-has-this asset_type:hosts", "unknown_filter", []),
    ("asset.list asset_type:teapots", "unknown_filter", []),
    ("asset.list host:wbe-01", "unknown_filter", ["web-01"]),
]


@pytest.mark.parametrize(("words", "code", "offered"), ASKED, ids=[row[0] for row in ASKED])
async def test_words_without_one_reading_are_asked_about(
    stocked: Inventory, words: str, code: str, offered: list[str]
) -> None:
    name, *entities = words.split()
    with pytest.raises(AssetClarificationError) as raised:
        await resolve(intent(name, *entities), SqlReader(stocked))
    assert raised.value.code == code
    values = [candidate.value for candidate in raised.value.candidates]
    assert values[: len(offered)] == offered
    assert raised.value.failure.status.value == "needs_clarification"


async def test_every_offered_name_leads_to_that_asset(stocked: Inventory) -> None:
    with pytest.raises(AssetClarificationError) as raised:
        await resolve(intent("service.restart", "service:shop"), SqlReader(stocked))
    for candidate in raised.value.candidates:
        chosen = await resolve(intent("service.restart", f"service:{candidate.value}"), SqlReader(stocked))
        assert [asset.name for asset in chosen.assets] == [candidate.value]


async def test_a_primary_name_beats_an_alias_of_another(stocked: Inventory) -> None:
    await stocked.upsert([AssetRecord(name="decoy", aliases=["web-01"])], "x")
    selection = await resolve(intent("status.check", "host:web-01"), SqlReader(stocked))
    assert [asset.name for asset in selection.assets] == ["web-01"]


async def test_a_count_reads_the_total_alone(stocked: Inventory) -> None:
    selection = await resolve(intent("asset.count", "asset_type:hosts"), SqlReader(stocked))
    assert seen(selection) == ("filtered", [], [], 6)


async def test_a_long_list_is_cut_at_its_bound_and_says_how_many_there_are(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name=f"host-{number:04}") for number in range(350)], "x")
    selection = await resolve(intent("asset.list"), SqlReader(inventory))
    assert (len(selection.assets), selection.total) == (200, 350)
    assert selection.assets[0].name == "host-0000"


async def test_hosts_are_found_through_what_stands_between(inventory: Inventory) -> None:
    records = [
        AssetRecord(name="metal"),
        AssetRecord(name="cluster", type="database", parent="metal"),
        AssetRecord(name="orders", type="database", parent="cluster"),
        AssetRecord(name="lost", type="service", parent="nobody"),
        AssetRecord(name="left", type="service", parent="right"),
        AssetRecord(name="right", type="service", parent="left"),
    ]
    await inventory.upsert(records, "x")
    words = ("database:orders", "service:lost", "service:left")
    selection = await resolve(intent("status.check", *words), SqlReader(inventory))
    assert seen(selection) == ("named", ["orders", "lost", "left"], ["metal"], 3)


async def test_without_the_database_nothing_is_resolved(stocked: Inventory) -> None:
    stocked._reader = None
    stocked._engines.dispose()
    with stocked._engines.write.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE asset_names RENAME TO away")
    with pytest.raises(InventoryUnavailableError):
        await resolve(intent("service.restart", "host:web-01"), SqlReader(stocked))
    with stocked._engines.write.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO asset_names")
