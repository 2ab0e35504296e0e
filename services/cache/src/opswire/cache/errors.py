"""What the cache service refuses, and what it cannot do just now."""

from __future__ import annotations

from opswire.chassis.errors import RejectedError, RetryableError


class BadCacheQueryError(RejectedError):
    """A parameter or a body that means nothing here."""

    code = "bad_query"


class WarmingError(RejectedError):
    """A warming run is under way, or there is nothing to warm with."""

    code = "not_warmed"


class NotAcknowledgedError(RetryableError):
    """A change is stored, and not every process has said that it serves nothing older."""

    code = "not_acknowledged"


class InventoryAwayError(RetryableError):
    """The assets service does not answer, or refuses."""

    code = "inventory_away"
