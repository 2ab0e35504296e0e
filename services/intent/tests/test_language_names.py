"""The inventory's names in memory follow the changes and never pick one of several."""

from __future__ import annotations

from typing import Any

from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.contracts.types import EntityType
from opswire.intent.language.names import NameIndex


def changed(asset_id: str, name: str, generation: int = 1, **fields: Any) -> AssetChanged:
    values: dict[str, Any] = {"type": "host", "environment": "production", **fields}
    asset = Asset(id=asset_id, name=name, generation=generation, **values)
    return AssetChanged(
        asset_id=asset_id,
        kind="created" if generation == 1 else "updated",
        generation=generation,
        asset=asset,
        changed_ns=1,
    )


def deleted(asset_id: str, generation: int) -> AssetChanged:
    return AssetChanged(asset_id=asset_id, kind="deleted", generation=generation, changed_ns=1)


def test_a_name_is_found_in_any_case_with_its_class() -> None:
    names = NameIndex()
    names.apply(changed("a", "Web-01", criticality="high"))
    found = names.lookup("WEB-01")
    assert found is not None
    assert (found.type, found.environment, found.criticality, found.count) == ("host", "production", "high", 1)
    assert names.lookup("web-02") is None


def test_several_assets_under_one_alias_are_the_union_with_the_highest_criticality() -> None:
    names = NameIndex()
    names.apply(changed("a", "shop@w1", type="service", aliases=["shop"], criticality="low"))
    names.apply(
        changed("b", "shop@w2", type="service", aliases=["shop"], environment="staging", criticality="critical")
    )
    found = names.lookup("shop")
    assert found is not None
    assert (found.type, found.environment, found.criticality, found.count) == ("service", "mixed", "critical", 2)
    names.apply(deleted("b", 2))
    left = names.lookup("shop")
    assert left is not None
    assert (left.environment, left.criticality, left.count) == ("production", "low", 1)


def test_a_rename_forgets_the_old_name_and_an_old_change_changes_nothing() -> None:
    names = NameIndex()
    names.apply(changed("a", "old-name"))
    names.apply(changed("a", "new-name", generation=3))
    assert names.lookup("old-name") is None
    assert names.lookup("new-name") is not None
    names.apply(changed("a", "old-name", generation=2))
    assert names.lookup("old-name") is None
    names.apply(deleted("a", 4))
    names.apply(changed("a", "new-name", generation=3))
    assert names.lookup("new-name") is None
    assert len(names) == 0


def test_a_replayed_log_leaves_the_same_index() -> None:
    names = NameIndex()
    log = [changed("a", "one", tags=["x"]), changed("a", "two", generation=2, tags=["y"]), deleted("a", 3)]
    for change in [*log, *log]:
        names.apply(change)
    assert len(names) == 0
    assert names.tags == frozenset()
    assert names.asset_types == frozenset()


def test_environments_tags_groups_sites_systems_and_types_are_known_while_an_asset_has_them() -> None:
    names = NameIndex()
    names.apply(changed("a", "w1", tags=["pci"], groups=["cache"], site="DC2", os="Debian 12"))
    assert names.environments == {"production"}
    assert names.tags == {"pci", "cache"}
    assert names.sites == {"dc2"}
    assert names.oses == {"debian 12"}
    assert names.asset_types == {"host"}
    assert names.term("debian 12") is EntityType.OS
    assert names.starts_longer("debian")
    names.apply(deleted("a", 2))
    assert names.term("debian 12") is None
    assert not names.starts_longer("debian")


def test_a_hundred_thousand_assets_are_taken_in_and_looked_up_quickly() -> None:
    names = NameIndex()
    template = changed("a0", "host-0", type="service", aliases=["shared"])
    assert template.asset is not None
    for number in range(100_000):
        asset = template.asset.model_copy(update={"id": f"a{number}", "name": f"host-{number}"})
        names.apply(template.model_copy(update={"asset_id": f"a{number}", "asset": asset}))
    shared = names.lookup("shared")
    assert shared is not None
    assert shared.count == 100_000
    assert all(names.lookup(f"host-{number}") is not None for number in range(0, 100_000, 10))
