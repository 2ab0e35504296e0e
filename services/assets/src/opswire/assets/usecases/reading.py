"""What the use cases need of an inventory."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from opswire.assets.records import AssetFilter
from opswire.contracts.findings import Asset, Candidate


class NamedAsset(NamedTuple):
    """An asset that answers to a name, and the kind of name it is: `name`, `alias` or `short` (of a domain name)."""

    kind: str
    asset: Asset


class InventoryReader(Protocol):
    """Reads of the inventory as it is now."""

    async def by_name(self, name: str) -> list[NamedAsset]:
        """Everything that answers to a name, without regard to case."""
        ...

    async def by_address(self, address: str) -> list[Asset]:
        """Everything at an IP address or DNS name."""
        ...

    async def search(self, wanted: AssetFilter) -> tuple[list[Asset], int]:
        """The assets that match, by name, and how many match in all."""
        ...

    async def near(self, name: str, limit: int) -> list[Candidate]:
        """Assets whose names look like this one, best first."""
        ...
