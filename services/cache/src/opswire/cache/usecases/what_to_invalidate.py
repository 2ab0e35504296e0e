"""What a person's wish to invalidate names, as tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opswire.cache.errors import InventoryAwayError
from opswire.contracts.caches_invalidated.tags import EVERYTHING, INVENTORY, asset_tag, name_tag
from opswire.contracts.findings import Asset

NOTE_UNKNOWN = "the inventory has no such asset; its name and all lists were invalidated"
NOTE_EVERYTHING = "the inventory could not be asked which asset this is, so everything was invalidated"


@dataclass(frozen=True, slots=True)
class Wish:
    """Tags, what to call the cause, and a sentence where more or other was named than asked for."""

    tags: tuple[str, ...]
    cause: str
    note: str = ""


class AssetLookup(Protocol):
    """Asks the inventory."""

    async def find(self, name: str) -> Asset | None:
        """The asset of this name or id, or None. Raises InventoryAwayError."""


async def wish_for_asset(name: str, lookup: AssetLookup) -> Wish:
    """Everything that depends on one asset: its state, every name it answers to, and every list.

    An entry may hold the asset under another of its names. Without the inventory nobody knows them: then everything.
    """
    cause = f"person:asset:{name}"[:256]
    try:
        asset = await lookup.find(name)
    except InventoryAwayError:
        return Wish((EVERYTHING,), cause, NOTE_EVERYTHING)
    names = {name} if asset is None else {name, asset.name, *asset.aliases}
    names |= {one.partition(".")[0] for one in names}
    own = asset_tag((name if asset is None else asset.id)[:256])
    return Wish(
        (own, INVENTORY, *sorted({name_tag(one) for one in names if one})), cause, NOTE_UNKNOWN if asset is None else ""
    )


def wish_for_tags(tags: Sequence[str], kind: str = "tag") -> Wish:
    """Exactly these tags."""
    return Wish(tuple(tags), f"person:{kind}:{','.join(tags)}"[:256])
