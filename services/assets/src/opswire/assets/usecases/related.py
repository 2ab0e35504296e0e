"""What the assets of a question stand on: the direct dependencies that the inventory names, and where these live.

They go into the context beside the hosts, for whoever checks them; they are never what a request acts on.
"""

from __future__ import annotations

from collections.abc import Iterable

from opswire.assets.records import AssetFilter
from opswire.assets.usecases.living import hosts_of, lives_elsewhere
from opswire.assets.usecases.reading import InventoryReader
from opswire.assets.vocabulary import fold
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import ASSETS_MAX

DEPENDENCIES = "depends_on"
"""The attribute that names them, with commas between."""
NEEDED_MAX = 20
RELATED_INTENTS = frozenset({IntentName.DIAGNOSE_ISSUE})
"""Those whose answer may lie in what an asset needs. They only read, so no policy weighs what stands beside them."""


def needed_names(assets: Iterable[Asset]) -> list[str]:
    """The names of what these assets need, as written, each once; the first 20."""
    found: dict[str, str] = {}
    for asset in assets:
        for name in asset.attributes.get(DEPENDENCIES, "").split(","):
            if name.strip():
                found.setdefault(fold(name), name.strip())
    return list(found.values())[:NEEDED_MAX]


async def with_related(assets: list[Asset], hosts: list[Asset], reader: InventoryReader) -> list[Asset]:
    """The hosts, then what the assets need, then the hosts of that; as it was where the context would be ambiguous.

    That is where an asset's own host is not its parent itself: a reader then takes the only host of the context, and
    must not find another one there.
    """
    names = needed_names(assets)
    known = {fold(asset.name) for asset in (*assets, *hosts)}
    missing = tuple(name for name in names if fold(name) not in known)
    if not missing or any(fold(asset.parent or "") not in known for asset in assets if lives_elsewhere(asset)):
        return hosts
    found, _ = await reader.search(AssetFilter(primary_names=missing, limit=NEEDED_MAX))
    places = await hosts_of(found, reader)
    related = {asset.id: asset for asset in (*hosts, *found, *places)}
    chosen = {asset.id for asset in assets}
    return [asset for asset in related.values() if asset.id not in chosen][:ASSETS_MAX]
