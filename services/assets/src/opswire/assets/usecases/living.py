"""Where services, databases and all else that is no host live."""

from __future__ import annotations

from opswire.assets.records import AssetFilter
from opswire.assets.usecases.reading import InventoryReader
from opswire.assets.vocabulary import fold
from opswire.contracts.findings import Asset
from opswire.contracts.types import ASSETS_MAX

PARENT_DEPTH_MAX = 8


async def hosts_of(assets: list[Asset], reader: InventoryReader) -> list[Asset]:
    """The hosts that these services and databases live on, each once, in order; an unknown parent is left out."""
    known = {fold(asset.name): asset for asset in assets}
    parent_of = {asset.id: fold(asset.parent) for asset in assets if asset.parent and lives_elsewhere(asset)}
    level = assets
    for _ in range(PARENT_DEPTH_MAX):
        missing = {parent_of[asset.id] for asset in level if asset.id in parent_of} - known.keys()
        if not missing:
            break
        level, _total = await reader.search(AssetFilter(primary_names=tuple(sorted(missing))))
        known.update((fold(asset.name), asset) for asset in level)
        parent_of.update((asset.id, fold(asset.parent or "")) for asset in level if lives_elsewhere(asset))
    hosts: dict[str, Asset] = {}
    for asset in assets:
        current: Asset | None = asset
        for _ in range(PARENT_DEPTH_MAX):
            if current is None or current.id not in parent_of:
                break
            current = known.get(parent_of[current.id])
        if current is not None and current is not asset and current.type == "host":
            hosts.setdefault(current.id, current)
    return list(hosts.values())[:ASSETS_MAX]


def lives_elsewhere(asset: Asset) -> bool:
    """Whether it lives on something that the inventory names: a host is where it is."""
    return asset.type != "host" and asset.parent is not None
