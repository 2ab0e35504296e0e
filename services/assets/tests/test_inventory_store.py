"""The store: what is written is found again, changes are counted once, and names stay unique."""

from __future__ import annotations

import asyncio

import pytest
from opswire.assets.errors import AssetInUseError, AssetNotFoundError, InvalidAssetError, NameTakenError
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetFilter, AssetRecord
from opswire.contracts.asset_changed import AssetChanged


async def names(inventory: Inventory, **wanted: tuple[str, ...]) -> list[str]:
    found, total = await inventory.search(AssetFilter(**wanted))  # type: ignore[arg-type]
    assert total == len(found)
    return [asset.name for asset in found]


async def test_a_record_becomes_an_asset_with_defaults_for_what_it_does_not_say(inventory: Inventory) -> None:
    report = await inventory.upsert([AssetRecord(name="web-01")], "by hand")
    asset = await inventory.get("WEB-01")
    assert (report.created, report.unchanged, report.rejected) == (1, 0, [])
    assert (asset.type, asset.environment, asset.criticality, asset.generation) == ("host", "unknown", "medium", 1)
    assert asset.attributes == {"origin": "by hand"}


async def test_the_same_records_again_change_nothing_and_send_nothing(stocked: Inventory) -> None:
    records = [AssetRecord(name="WEB-01", environment="prod", tags=["edge"], groups=["web"])]
    report = await stocked.upsert(records, "again")
    assert (report.created, report.updated, report.unchanged, report.outbox_id) == (0, 0, 1, 0)
    assert await stocked.outbox_pending() == []


async def test_an_update_keeps_what_the_record_does_not_state(stocked: Inventory) -> None:
    await stocked.upsert([AssetRecord(name="web-01", owner="other", attributes={"rack": "7"})], "x")
    asset = await stocked.get("web-01")
    assert (asset.owner, asset.os, asset.tags, asset.generation) == ("other", "Debian 12", ["edge"], 2)
    assert asset.attributes == {"origin": "opswire-yaml", "rack": "7"}


async def test_bad_records_are_rejected_by_line_and_the_others_go_in(inventory: Inventory) -> None:
    records = [
        AssetRecord(name="good", line=1),
        AssetRecord(name="", line=2),
        AssetRecord(name="GOOD", line=3),
        AssetRecord(name="mean\u202edrow", line=4),
        AssetRecord(name="loud", criticality="apocalyptic", line=5),
        AssetRecord(name="leaky", attributes={"root_password": "hunter2"}, line=6),
        AssetRecord(name="key", attributes={"note": "-----BEGIN OPENSSH PRIVATE KEY-----"}, line=7),
        AssetRecord(name="self", parent="SELF", line=8),
    ]
    report = await inventory.upsert(records, "x")
    assert report.created == 1
    assert sorted(note.line for note in report.rejected) == [2, 3, 4, 5, 6, 7, 8]
    assert "hunter2" not in repr(report)
    assert await names(inventory) == ["good"]


async def test_a_credential_may_only_be_a_reference(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name="a", attributes={"credential": "file:lab/id_ed25519"})], "x")
    assert (await inventory.get("a")).attributes["credential"] == "file:lab/id_ed25519"
    with pytest.raises(InvalidAssetError, match="reference"):
        await inventory.set("a", {"attributes.credential": "hunter2"})


async def test_another_thing_of_the_same_name_is_not_mixed_in(inventory: Inventory) -> None:
    await inventory.upsert([AssetRecord(name="vm1", external_id="netbox:device:1")], "x")
    report = await inventory.upsert([AssetRecord(name="vm1", external_id="netbox:virtual-machine:1", line=9)], "x")
    assert [note.line for note in report.rejected] == [9]
    assert "netbox:device:1" in report.rejected[0].text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (
            {"types": ("servers",), "environments": ("prod",)},
            ["app1.eu.example.com", "api.eu.example.com", "db-01", "web-01"],
        ),
        ({"types": ("boxes",), "systems": ("windows",)}, ["db-01"]),
        ({"types": ("databases",)}, ["orders-db@db-01"]),
        ({"types": ("vms", "databases"), "sites": ("dc2",)}, ["db-01"]),
        ({"groups": ("WEB",)}, ["web-01", "web-02"]),
        ({"tags": ("edge",)}, ["app1.eu.example.com", "web-01"]),
        ({"labels": ("edge", "data")}, ["app1.eu.example.com", "db-01", "web-01"]),
        ({"sites": ("dc",)}, []),
        ({"systems": ("debian 12",)}, ["web-01", "web-02"]),
        ({"owners": ("shop",), "environments": ("stg",)}, ["api.us.example.com", "checkout@web-02", "web-02"]),
        ({"parents": ("web-01",)}, ["checkout@web-01", "storefront@web-01"]),
        ({"addresses": ("10.0.0.3",), "types": ("host",)}, ["db-01"]),
        ({"names": ("checkout",)}, ["checkout@web-01", "checkout@web-02"]),
        ({"primary_names": ("checkout", "Web-01")}, ["web-01"]),
        ({"types": ("assets",), "names": ("app1",)}, ["app1.eu.example.com"]),
        ({"criticalities": ("LOW",)}, []),
        ({"attributes": ("origin=opswire-yaml",), "systems": ("windows",)}, ["db-01"]),
        ({"attributes": ("origin", "rack=7"), "groups": ("web",)}, []),
        ({"attributes": ("origin",), "tags": ("edge",)}, ["app1.eu.example.com", "web-01"]),
    ],
)
async def test_search_finds_by_every_field(
    stocked: Inventory, wanted: dict[str, tuple[str, ...]], found: list[str]
) -> None:
    assert await names(stocked, **wanted) == sorted(found)


async def test_search_pages_and_counts(stocked: Inventory) -> None:
    page, total = await stocked.search(AssetFilter(limit=2, offset=1))
    assert ([asset.name for asset in page], total) == (["api.us.example.com", "app1.eu.example.com"], 11)
    assert await stocked.search(AssetFilter(limit=0)) == ([], 11)
    assert await stocked.search(AssetFilter(offset=50)) == ([], 11)


async def test_words_of_a_filter_are_values_never_patterns(stocked: Inventory) -> None:
    for word in ("%", "_", "' OR 1=1 --", "DC1%", "\\"):
        assert await names(stocked, sites=(word,), environments=("production' --",)) == []
        assert await names(stocked, groups=(word,)) == []


async def test_an_edit_raises_the_generation_once_and_clears_what_is_empty(stocked: Inventory) -> None:
    changes = {"environment": "stg", "tags": "a, b,a", "site": "", "attributes.ssh_port": "2222"}
    asset = await stocked.set("web-01", changes)
    again = await stocked.set("web-01", changes)
    assert (asset.environment, asset.tags, asset.site, asset.generation) == ("staging", ["a", "b"], None, 2)
    assert asset.attributes["ssh_port"] == "2222"
    assert again == asset
    assert (await stocked.set("web-01", {"attributes.ssh_port": ""})).attributes == {"origin": "opswire-yaml"}


@pytest.mark.parametrize(
    "changes", [{"colour": "red"}, {"environment": ""}, {"criticality": "huge"}, {"generation": "9"}]
)
async def test_an_impossible_edit_is_refused_and_changes_nothing(stocked: Inventory, changes: dict[str, str]) -> None:
    before = await stocked.get("web-01")
    with pytest.raises(InvalidAssetError):
        await stocked.set("web-01", changes)
    assert await stocked.get("web-01") == before
    assert await stocked.outbox_pending() == []


async def test_a_renamed_host_takes_its_services_along(stocked: Inventory) -> None:
    renamed = await stocked.rename("web-01", "edge-01")
    assert (renamed.name, renamed.generation) == ("edge-01", 2)
    assert await names(stocked, parents=("edge-01",)) == ["checkout@web-01", "storefront@web-01"]
    told = [AssetChanged.from_bytes(row.body) for row in await stocked.outbox_pending()]
    assert [change.asset.name for change in told if change.asset] == ["edge-01", "checkout@web-01", "storefront@web-01"]
    assert told[0].previous_names == ["web-01"]
    with pytest.raises(AssetNotFoundError):
        await stocked.get("web-01")


async def test_a_name_belongs_to_one_asset_without_regard_to_case(stocked: Inventory) -> None:
    with pytest.raises(NameTakenError):
        await stocked.rename("web-01", "DB-01")
    assert (await stocked.rename("web-01", "WEB-01")).name == "WEB-01"


async def test_a_parent_is_not_deleted_under_its_children(stocked: Inventory) -> None:
    with pytest.raises(AssetInUseError, match="checkout@web-01"):
        await stocked.delete("web-01")
    for name in ("checkout@web-01", "storefront@web-01", "web-01"):
        await stocked.delete(name)
    deleted = [AssetChanged.from_bytes(row.body) for row in await stocked.outbox_pending()]
    assert [(change.kind, change.asset) for change in deleted] == [("deleted", None)] * 3
    assert deleted[0].previous_names == ["checkout@web-01", "checkout"]
    assert await names(stocked, labels=("web",)) == ["web-02"]


async def test_names_that_look_alike_are_offered_in_order(stocked: Inventory) -> None:
    offered = await stocked.near("wbe-01", 3)
    assert offered[0].value == "web-01"
    assert offered[0].label == "host in production"
    assert await stocked.near("zzzzzzzz", 3) == []
    assert [candidate.value for candidate in await stocked.near("app01", 1)] == ["app1.eu.example.com"]
    assert [candidate.value for candidate in await stocked.near("chekout", 2)] == ["checkout@web-01", "checkout@web-02"]
    for odd in ("", "%", "_'\\", "\x00", "\ud800", "x" * 10_000):
        assert await stocked.near(odd, 3) == []


async def test_attributes_are_compared_as_they_are(stocked: Inventory) -> None:
    await stocked.set("web-01", {'attributes.a"b.c': "50% 'x'", "attributes.note": "ü"})
    assert await names(stocked, attributes=("a\"b.c=50% 'x'",)) == ["web-01"]
    assert await names(stocked, attributes=("note=ü",)) == ["web-01"]
    assert await names(stocked, attributes=("note=50%",)) == []
    assert await names(stocked, attributes=("no\x00te=\x00",)) == []


async def test_a_name_that_no_database_takes_is_just_unknown(stocked: Inventory) -> None:
    for odd in ("we\x00b-01", "\ud800", "%", "x" * 10_000):
        with pytest.raises(AssetNotFoundError):
            await stocked.get(odd)


async def test_readers_see_a_write_at_once_and_writers_of_two_processes_wait(inventory_url: str) -> None:
    one, two = await Inventory.open(inventory_url), await Inventory.open(inventory_url)
    await one.upsert([AssetRecord(name="a")], "x")
    assert (await two.get("a")).generation == 1
    await asyncio.gather(*(store.set("a", {f"attributes.k{i}": "v"}) for i in range(10) for store in (one, two)))
    asset = await one.get("a")
    assert asset.generation == 11
    assert await two.get("a") == asset
    await one.close()
    await two.close()
