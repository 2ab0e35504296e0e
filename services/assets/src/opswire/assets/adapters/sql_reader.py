"""The inventory as the use cases read it: each read is one span of the stage assets.db."""

from __future__ import annotations

from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetFilter
from opswire.assets.usecases.reading import NamedAsset
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, span
from opswire.contracts.findings import Asset, Candidate


class SqlReader:
    """Reads an open inventory. Raises InventoryUnavailableError when the database does not answer."""

    def __init__(self, inventory: Inventory, system: str = "sqlite") -> None:
        self._inventory = inventory
        self._system = system

    async def by_name(self, name: str) -> list[NamedAsset]:
        """Everything that answers to a name."""
        with self._span("inventory by name") as current:
            found = await self._inventory.by_name(name)
            current.set("rows", len(found))
        return [NamedAsset(kind, asset) for kind, asset in found]

    async def by_address(self, address: str) -> list[Asset]:
        """Everything at an address."""
        with self._span("inventory by address") as current:
            found = await self._inventory.by_address(address)
            current.set("rows", len(found))
        return found

    async def search(self, wanted: AssetFilter) -> tuple[list[Asset], int]:
        """The assets that match, and how many match in all."""
        with self._span("inventory search") as current:
            found, total = await self._inventory.search(wanted)
            current.set("rows", len(found))
        return found, total

    async def near(self, name: str, limit: int) -> list[Candidate]:
        """Assets whose names look like this one."""
        with self._span("inventory near names") as current:
            found = await self._inventory.near(name, limit)
            current.set("rows", len(found))
        return found

    def _span(self, name: str) -> Span:
        return span(name, Stage.ASSETS_DB, {"db.system.name": self._system})
