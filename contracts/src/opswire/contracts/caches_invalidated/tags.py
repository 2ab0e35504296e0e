"""The tags by which cache entries name what they depend on, and those that a change of an asset puts out of date."""

from __future__ import annotations

from opswire.contracts.asset_changed import AssetChanged

INVENTORY = "inventory"
"""Depends on the inventory as a whole: lists, counts, and anything that a new asset could change."""
EVERYTHING = "all"


def asset_tag(asset_id: str) -> str:
    """Depends on this asset's state."""
    return f"asset:{asset_id}"


def name_tag(name: str) -> str:
    """Depends on which assets answer to this name."""
    return f"name:{name.lower()[:256]}"


def tags_of_change(change: AssetChanged) -> list[str]:
    """Everything that a change of one asset puts out of date: its state, all its names before and after, every list."""
    names = set(change.previous_names)
    if change.asset is not None:
        names.update((change.asset.name, *change.asset.aliases))
    names |= {name.partition(".")[0] for name in names}  # a short name stands for a full one while it is unique
    return [asset_tag(change.asset_id), INVENTORY, *sorted({name_tag(name) for name in names if name})]
