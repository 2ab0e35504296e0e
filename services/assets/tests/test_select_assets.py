"""A remembered selection is dropped by every change that could make it another one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from opswire.assets.adapters.sql_reader import SqlReader
from opswire.assets.errors import AssetClarificationError
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetRecord
from opswire.assets.usecases import resolve as resolving
from opswire.assets.usecases.resolve import Selection, resolve
from opswire.assets.usecases.select_assets import NAMING_TYPES, SelectAssets, key_of
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.caches_invalidated.tags import tags_of_change
from opswire.contracts.findings import Entity, IntentFinding
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, Risk


def intent(words: str) -> IntentFinding:
    name, *entities = words.split()
    pairs = [entity.partition(":") for entity in entities]
    found = [Entity(type=EntityType(kind), value=value) for kind, _, value in pairs]
    return IntentFinding(name=IntentName(name), confidence=1.0, entities=found, risk=Risk.LOW, source=IntentSource.RULE)


class Remembering:
    """A cache of one entry that obeys the tags of every change."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Selection, list[str]]] = {}
        self.loads = 0

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Selection, list[str]]]]) -> tuple[Selection, str]:
        if key in self.entries:
            return self.entries[key][0], "memory"
        self.loads += 1
        self.entries[key] = await load()
        return self.entries[key][0], "miss"

    def apply(self, tags: list[str]) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if not set(entry[1]) & set(tags)}


async def publish_into(inventory: Inventory, cache: Remembering) -> int:
    rows = await inventory.outbox_pending(1_000)
    for row in rows:
        cache.apply(tags_of_change(AssetChanged.from_bytes(row.body)))
    await inventory.outbox_sent([row.id for row in rows])
    return len(rows)


async def seen(work: Awaitable[Selection]) -> Any:
    try:
        return await work
    except AssetClarificationError as error:
        return type(error), str(error), [candidate.value for candidate in error.candidates]


async def put(inventory: Inventory, **values: Any) -> None:
    report = await inventory.upsert([AssetRecord(**values)], "test")
    assert report.created + report.updated == 1, report


WHY = "diagnose.issue service:teller"
Change = Callable[[Inventory], Awaitable[Any]]
CASES: list[tuple[str, str, Change]] = [
    ("the asset", "status.check host:web-01", lambda i: i.set("web-01", {"os": "Debian 13"})),
    ("its address", "status.check host:web-01", lambda i: i.set("web-01", {"address": "10.9.9.9"})),
    ("its host", "status.check service:storefront", lambda i: i.set("web-01", {"address": "10.9.9.9"})),
    (
        "what lies between it and its host",
        "status.check service:billing",
        lambda i: i.set("box-1", {"parent": "web-02"}),
    ),
    ("its host's name", "status.check service:storefront", lambda i: i.rename("web-01", "web-11")),
    ("its name", "status.check host:web-01", lambda i: i.rename("web-01", "web-11")),
    ("it is deleted", "status.check host:app1", lambda i: i.delete("app1.eu.example.com")),
    ("an alias goes", "status.check service:storefront", lambda i: i.set("storefront@web-01", {"aliases": "shop"})),
    (
        "a new asset with the same alias",
        "status.check service:storefront",
        lambda i: put(i, name="storefront@db-01", type="service", parent="db-01", aliases=("storefront",)),
    ),
    (
        "a new primary name beats the alias",
        "status.check service:storefront",
        lambda i: put(i, name="storefront", type="application"),
    ),
    ("a new short name", "status.check host:app1", lambda i: put(i, name="app1.us.example.com")),
    (
        "a new short name from an alias",
        "status.check host:app1",
        lambda i: put(i, name="other", aliases=("app1.asia.example.com",)),
    ),
    (
        "an asset takes the address that is asked for",
        "status.check ip:10.0.0.3",
        lambda i: put(i, name="aa-twin", address="10.0.0.3"),
    ),
    (
        "an asset takes an address that was asked for as a host",
        "status.check host:10.1.1.1",
        lambda i: put(i, name="aa-twin", address="10.1.1.1"),
    ),
    (
        "the host of an address in IPv6",
        "status.check host:10.1.1.2",
        lambda i: i.set("api.eu.example.com", {"address": "fd00::2"}),
    ),
    (
        "a name that holds the port",
        "status.check host:web-01:9100",
        lambda i: put(i, name="web-01:9100", address="10.5.5.5"),
    ),
    (
        "a second bearer of the name before the port",
        "status.check host:app1:9100",
        lambda i: put(i, name="app1.us.example.com"),
    ),
    (
        "an asset at the address that a domain name was",
        "status.check host:app1.eu.example.com",
        lambda i: i.rename("app1.eu.example.com", "moved"),
    ),
    (
        "an asset at a domain name that was only an endpoint",
        "diagnose.connectivity host:web-01 host:www.example.org",
        lambda i: put(i, name="edge-9", address="www.example.org"),
    ),
    (
        "an unknown service of an event is entered",
        "alerts.list service:payments service:storefront",
        lambda i: put(i, name="payments", type="application"),
    ),
    ("a name in another case", "status.check host:WEB-01", lambda i: i.rename("web-01", "web-11")),
    ("a list", "asset.list environment:staging", lambda i: put(i, name="new", environment="staging")),
    ("a list shrinks", "asset.list environment:staging", lambda i: i.set("web-02", {"environment": "production"})),
    ("a count", "asset.count asset_type:servers", lambda i: put(i, name="new")),
    ("a group", "status.check tag:edge", lambda i: put(i, name="new", tags=("edge",))),
    (
        "the parent of a pair",
        "status.check service:checkout host:web-02",
        lambda i: i.set("checkout@web-02", {"parent": "web-01"}),
    ),
    (
        "a site that tells bearers apart",
        "status.check host:api environment:staging",
        lambda i: i.set("api.eu.example.com", {"environment": "staging"}),
    ),
    (
        "a host that a service names and that was not there",
        "status.check service:lonely",
        lambda i: put(i, name="ghost", address="10.7.7.7"),
    ),
    ("what it needs", WHY, lambda i: i.set("ledger@db-01", {"attributes.port": "5433"})),
    ("what it needs goes", WHY, lambda i: i.delete("ledger@db-01")),
    ("what it needs is renamed", WHY, lambda i: i.rename("ledger@db-01", "ledger")),
    ("the host of what it needs", WHY, lambda i: i.set("db-01", {"address": "10.9.9.9"})),
    ("what it needs moves", WHY, lambda i: i.set("ledger@db-01", {"parent": "web-02"})),
    ("what it needs is entered", WHY, lambda i: put(i, name="vault.example.com", type="service")),
    ("it needs something else", WHY, lambda i: i.set("teller@web-01", {"attributes.depends_on": "web-02"})),
    (
        "what lies between what it needs and its host",
        "diagnose.issue service:clerk",
        lambda i: i.set("box-1", {"parent": "web-02"}),
    ),
]


@pytest.mark.parametrize(("words", "change"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_after_a_change_the_selection_is_that_of_the_inventory(
    stocked: Inventory, words: str, change: Change
) -> None:
    await put(stocked, name="lonely", type="service", parent="ghost")
    await put(stocked, name="box-1", type="container", parent="web-01")
    await put(stocked, name="pod-1", type="pod", parent="box-1")
    await put(stocked, name="billing@pod-1", type="service", parent="pod-1", aliases=("billing",))
    await put(stocked, name="ledger@db-01", type="service", parent="db-01", attributes={"port": "5432"})
    needs = {"depends_on": "Ledger@db-01, vault.example.com"}
    await put(stocked, name="teller@web-01", type="service", parent="web-01", aliases=("teller",), attributes=needs)
    needs = {"depends_on": "billing@pod-1"}
    await put(stocked, name="clerk@web-01", type="service", parent="web-01", aliases=("clerk",), attributes=needs)
    await stocked.outbox_sent([row.id for row in await stocked.outbox_pending()])
    cache, reader = Remembering(), SqlReader(stocked)
    select = SelectAssets(reader, cache)
    before = await seen(select(intent(words), ""))
    await change(stocked)
    assert await publish_into(stocked, cache) > 0
    after = await seen(select(intent(words), ""))
    assert after == await seen(resolve(intent(words), reader))
    assert after != before, "the change of this case changes nothing: it proves nothing"


async def test_what_has_nothing_to_do_with_a_selection_leaves_it(stocked: Inventory) -> None:
    cache = Remembering()
    select = SelectAssets(SqlReader(stocked), cache)
    await select(intent("status.check host:web-01"), "")
    await put(stocked, name="unrelated", address="10.8.8.8")
    await stocked.set("db-01", {"os": "Debian 13"})
    await publish_into(stocked, cache)
    await select(intent("status.check host:web-01"), "")
    assert cache.loads == 1


async def test_a_question_back_is_never_remembered(stocked: Inventory) -> None:
    cache = Remembering()
    select = SelectAssets(SqlReader(stocked), cache)
    for _ in range(2):
        with pytest.raises(AssetClarificationError):
            await select(intent("status.check host:nobody"), "")
    assert (cache.loads, cache.entries) == (2, {})


async def test_help_needs_no_inventory(tmp_path: Path) -> None:
    cache = Remembering()
    assert (await SelectAssets(None, cache)(intent("system.help"), "")).kind == "none"  # type: ignore[arg-type]
    assert cache.loads == 0


def test_the_key_holds_name_and_entities_in_order() -> None:
    first = key_of(intent("diagnose.connectivity host:web-01 host:db-01"))
    assert first != key_of(intent("diagnose.connectivity host:db-01 host:web-01"))
    assert first != key_of(intent("status.check host:web-01 host:db-01"))
    assert first == key_of(intent("diagnose.connectivity host:WEB-01 host:db-01"))
    long = [key_of(intent("status.check " + " ".join(f"host:h{n}{end}" for n in range(60)))) for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) <= 200


def test_the_names_that_are_tagged_are_the_names_that_are_resolved() -> None:
    assert resolving._NAMES == NAMING_TYPES


async def test_a_word_that_nobody_heard_narrows_the_list_or_is_said(stocked: Inventory) -> None:
    await put(stocked, name="owned-1", type="host", owner="team-night")
    select = SelectAssets(SqlReader(stocked), Remembering())
    owned = await select(intent("asset.list asset_type:hosts"), "list hosts owned by team-night")
    assert [asset.name for asset in owned.assets] == ["owned-1"]
    everything = await select(intent("asset.list asset_type:hosts"), "list hosts")
    assert everything.total > 1
    with pytest.raises(AssetClarificationError, match="critical"):
        await select(intent("asset.list severity:critical asset_type:hosts"), "list critical hosts")
    with pytest.raises(AssetClarificationError, match="moon"):
        await select(intent("asset.list asset_type:hosts"), "list hosts in moon")
