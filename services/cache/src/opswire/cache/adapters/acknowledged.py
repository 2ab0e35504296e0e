"""Which causes were acknowledged lately: for whoever stored a change, and waits for what the service makes of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged

CAUSES_MAX = 1_024


class AcknowledgedCauses:
    """One per process; give `on_acknowledged` to the acknowledger."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, InvalidationAcknowledged] = OrderedDict()
        self._waiting: dict[str, asyncio.Event] = {}

    def on_acknowledged(self, invalidation: CachesInvalidated, acknowledged: InvalidationAcknowledged) -> None:
        """Hear of one acknowledgement."""
        self._known[invalidation.cause] = acknowledged
        while len(self._known) > CAUSES_MAX:
            self._known.popitem(last=False)
        event = self._waiting.get(invalidation.cause)
        if event is not None:
            event.set()

    async def of(self, cause: str, timeout_s: float) -> InvalidationAcknowledged | None:
        """The acknowledgement of this cause, or None when it did not come in time."""
        if cause not in self._known:
            event = self._waiting.setdefault(cause, asyncio.Event())
            try:
                await asyncio.wait_for(event.wait(), timeout_s)
            except TimeoutError:
                return None
            finally:
                self._waiting.pop(cause, None)
        return self._known[cause]
