"""What a change of an asset puts out of date."""

from __future__ import annotations

from opswire.cache.usecases.invalidate_for_change import invalidation_for
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.findings import Asset


def asset(name: str, *aliases: str) -> Asset:
    return Asset(id="a1", name=name, type="host", environment="test", aliases=list(aliases), generation=7)


def test_a_change_names_the_asset_every_list_and_all_names_before_and_after() -> None:
    change = AssetChanged(
        asset_id="a1",
        kind="updated",
        generation=7,
        asset=asset("Web-02.example.com", "shop"),
        previous_names=["web-01"],
        changed_ns=1,
    )
    found = invalidation_for(change)
    assert set(found.tags) == {
        "asset:a1",
        "inventory",
        "name:web-02.example.com",
        "name:web-02",
        "name:shop",
        "name:web-01",
    }
    assert found.cause == "asset:a1@7"


def test_a_deletion_names_what_the_asset_was_called() -> None:
    change = AssetChanged(asset_id="a1", kind="deleted", generation=8, previous_names=["web-01"], changed_ns=1)
    assert set(invalidation_for(change).tags) == {"asset:a1", "inventory", "name:web-01"}


def test_every_invalidation_has_a_nonce_of_its_own() -> None:
    change = AssetChanged(asset_id="a1", kind="created", generation=1, asset=asset("a"), changed_ns=1)
    assert invalidation_for(change).nonce != invalidation_for(change).nonce


def test_the_largest_change_makes_a_message_that_its_readers_accept() -> None:
    names = [f"{n:03d}." + "x" * 252 for n in range(64)]
    change = AssetChanged(
        asset_id="a" * 64,
        kind="updated",
        generation=2**53 - 1,
        asset=asset("n" * 256, *(f"{n:02d}" + "y" * 254 for n in range(32))),
        previous_names=names,
        changed_ns=1,
    )
    found = invalidation_for(change)
    assert CachesInvalidated.from_bytes(found.to_bytes()) == found
    assert len(found.tags) >= 64 + 33
