"""What the canary needs of the bus: the acknowledgement of its change, and an answer through every cache."""

from __future__ import annotations

from opswire.cache.adapters.acknowledged import AcknowledgedCauses
from opswire.cache.adapters.requests import Requests


class CanaryBus:
    """One per process."""

    def __init__(self, requests: Requests, causes: AcknowledgedCauses) -> None:
        self._requests = requests
        self._causes = causes

    async def acknowledged(self, cause: str, timeout_s: float) -> bool:
        """Whether the invalidation of this cause was acknowledged in time."""
        return await self._causes.of(cause, timeout_s) is not None

    async def generation_answered(self, asset: str) -> int | None:
        """The generation of the asset that a request is answered with now; None when it was not answered with it."""
        finished = await self._requests.ask(f"show the details of {asset}")
        return next((one.generation for one in finished.assets if one.name == asset), None)
