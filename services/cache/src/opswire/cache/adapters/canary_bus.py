"""What the canary needs of the bus: the acknowledgement of its change, and an answer through every cache."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from opswire.cache.adapters.requests import Requests
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged

CAUSES_MAX = 1_024


class CanaryBus:
    """Remembers which causes were acknowledged lately; give `on_acknowledged` to the acknowledger."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._causes: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, asyncio.Event] = {}

    def on_acknowledged(self, invalidation: CachesInvalidated, _: InvalidationAcknowledged) -> None:
        """Hear of one acknowledgement."""
        self._causes[invalidation.cause] = None
        while len(self._causes) > CAUSES_MAX:
            self._causes.popitem(last=False)
        event = self._waiting.get(invalidation.cause)
        if event is not None:
            event.set()

    async def acknowledged(self, cause: str, timeout_s: float) -> bool:
        """Whether the invalidation of this cause was acknowledged in time."""
        if cause in self._causes:
            return True
        event = self._waiting.setdefault(cause, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), timeout_s)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(cause, None)
        return True

    async def generation_answered(self, asset: str) -> int | None:
        """The generation of the asset that a request is answered with now; None when it was not answered with it."""
        finished = await self._requests.ask(f"show the details of {asset}")
        return next((one.generation for one in finished.assets if one.name == asset), None)
