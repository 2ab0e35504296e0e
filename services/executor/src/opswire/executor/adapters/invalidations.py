"""Invalidations by the executor: what the broker or the log cannot do now is tried again with the message."""

from __future__ import annotations

from nats.errors import Error as NatsError
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.errors import RetryableError


class AcknowledgedInvalidations:
    """Over the chassis' invalidator."""

    def __init__(self, invalidator: Invalidator) -> None:
        self._invalidator = invalidator

    async def invalidate(self, tags: list[str], cause: str) -> None:
        """Returns when no process serves what carries any of `tags`. Raises RetryableError when it could not be."""
        try:
            await self._invalidator.invalidate(tags, cause)
        except (NatsError, TimeoutError) as error:
            raise RetryableError(f"caches could not be invalidated: {type(error).__name__}") from error
