"""The catalogue of this process, read again when its files change; the caches are told what to forget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from opswire.chassis.caching.basis import tell_basis_changed
from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.sending import Sender
from opswire.contracts.basis_changed import BasisKind
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade
from opswire.executor.adapters.catalogue_files import LOOK_EVERY_S, CatalogueFiles
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.usecases.plan import make_plan


class CatalogueInForce:
    """One per process. Plans are made by what is in force at that moment."""

    def __init__(self, files: CatalogueFiles, sender: Callable[[], Sender]) -> None:
        self._files = files
        self._sender = sender
        self._untold: set[str] = set()

    @property
    def current(self) -> Catalogue:
        """What is in force now."""
        return self._files.current

    def make_plan(self, context: ContextResolved) -> PlanMade:
        """The plan by the catalogue in force. Raises what `usecases.plan.make_plan` raises."""
        return make_plan(context, self.current)

    async def watch(self) -> None:
        """Look at the files twice a second, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Take a changed catalogue into force, then tell the caches once which tools are others now.

        While the broker is away it is tried again with the next look. This process serves nothing old meanwhile: the
        key of a kept result holds what the catalogue says of its tool.
        """
        before = self.current
        if self._files.refresh():
            self._untold |= changed_tools(before, self.current)
        if not self._untold:
            return
        names, version = sorted(self._untold), self.current.version
        try:
            await tell_basis_changed(self._sender(), BasisKind.CATALOGUE, names, version)
        except RetryableError as error:
            get_logger().warning("the caches could not be told of the new catalogue yet", error=str(error))
            return
        self._untold.difference_update(names)


def changed_tools(before: Catalogue, now: Catalogue) -> set[str]:
    """The tools that were added, taken out or say something else; all of a server's where its address is another."""
    names = {entry.name for entry in before} | {entry.name for entry in now}
    moved = before.mcp_servers != now.mcp_servers
    return {
        name for name in names if before.find(name) != now.find(name) or (moved and _is_of_a_server(before, now, name))
    }


def _is_of_a_server(before: Catalogue, now: Catalogue, name: str) -> bool:
    entries = (before.find(name), now.find(name))
    return any(entry is not None and entry.driver.name == "mcp" for entry in entries)
