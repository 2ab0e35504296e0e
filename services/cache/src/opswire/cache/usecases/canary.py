"""One asset of our own is changed every few seconds, and asked for as anybody would ask, through every cache.

How long the old value was served after the change is what people see of all the protocols below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from opswire.contracts.findings import Asset

ACKNOWLEDGED_WITHIN_S = 5.0
READS_MAX = 10
INVENTORY_TEXT = """assets:
  - name: {name}
    type: canary
    environment: test
    criticality: low
    owner: opswire
    tags: [canary]
"""


class CanaryError(Exception):
    """A round came to nothing: something that it needs does not answer."""


class CanaryInventory(Protocol):
    """The inventory's writing side. Its methods raise RetryableError."""

    async def change(self, name: str, edits: dict[str, Any]) -> Asset | None:
        """The asset after the change, None when there is none."""

    async def create(self, text: str) -> None:
        """Take an inventory text."""


class CanaryBus(Protocol):
    """What the canary needs of the bus."""

    async def acknowledged(self, cause: str, timeout_s: float) -> bool:
        """Whether the invalidation of this cause was acknowledged in time."""

    async def generation_answered(self, asset: str) -> int | None:
        """The generation of the asset that a request is answered with now; None when it was not answered with it."""


@dataclass(frozen=True, slots=True)
class Round:
    """One change: seconds from when it was asked for until nobody served the old value; reads that came too late."""

    took_s: float
    stale_reads: int


class Canary:
    """Changes and reads."""

    def __init__(
        self, name: str, inventory: CanaryInventory, bus: CanaryBus, clock: Callable[[], float], number: int
    ) -> None:
        """`number` is unlike that of any other start, so that every change is one."""
        self._name = name
        self._inventory = inventory
        self._bus = bus
        self._clock = clock
        self._number = number

    async def round(self) -> Round:
        """Change the canary and read it. Raises CanaryError or RetryableError."""
        begun_s = self._clock()
        asset = await self._changed()
        if asset is None:
            await self._inventory.create(INVENTORY_TEXT.format(name=self._name))
            begun_s = self._clock()
            asset = await self._changed()
        if asset is None:
            raise CanaryError(f"the inventory took {self._name} and does not have it")
        if not await self._bus.acknowledged(f"asset:{asset.id}@{asset.generation}", ACKNOWLEDGED_WITHIN_S):
            raise CanaryError(f"the change was not acknowledged within {ACKNOWLEDGED_WITHIN_S:g} s")
        over_s = self._clock()
        for stale in range(READS_MAX):
            answered = await self._bus.generation_answered(self._name)
            if answered is None:
                raise CanaryError(f"a request for {self._name} was not answered with it")
            if answered >= asset.generation:
                return Round(over_s - begun_s, stale)
            over_s = self._clock()
        return Round(over_s - begun_s, READS_MAX)

    async def _changed(self) -> Asset | None:
        self._number += 1
        return await self._inventory.change(self._name, {"attributes": {"canary": str(self._number)}})
