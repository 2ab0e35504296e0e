"""A circuit breaker: an endpoint that failed several times in a row is left alone until one probe finds it well."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

FAILURES_MAX = 5
OPEN_FIRST_S = 5.0
OPEN_LONGEST_S = 60.0


class BreakerState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    """One call may try; the others are refused until it has ended."""
    OPEN = "open"


class Breaker:
    """Of one endpoint. Each `admit` that answers True is followed by exactly one of the three that end a call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_s = OPEN_FIRST_S
        self._opened_at: float | None = None
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        """As it is now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._is_probing or self._clock() - self._opened_at >= self._open_s:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def would_admit(self) -> bool:
        """Whether `admit` would answer True now; takes nothing."""
        if self._opened_at is None:
            return True
        return not self._is_probing and self._clock() - self._opened_at >= self._open_s

    def admit(self) -> bool:
        """Whether a call may be sent. In the half-open state the first asker is the probe."""
        if self._opened_at is None:
            return True
        if not self.would_admit:
            return False
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """The endpoint answered, if only with a refusal: it is well."""
        self._failures = 0
        self._open_s = OPEN_FIRST_S
        self._opened_at = None
        self._is_probing = False

    def failed(self) -> None:
        """It did not answer. A failed probe doubles the time until the next, up to a minute."""
        self._failures += 1
        if self._is_probing:
            self._open_s = min(self._open_s * 2, OPEN_LONGEST_S)
            self._opened_at = self._clock()
            self._is_probing = False
        elif self._opened_at is None and self._failures >= FAILURES_MAX:
            self._opened_at = self._clock()

    def abandoned(self) -> None:
        """The call says nothing about the endpoint: it was cancelled, or only its own time was too short."""
        self._is_probing = False

    def seen_well(self) -> None:
        """A health check found it well: the next call may try at once."""
        if self._opened_at is not None:
            self._opened_at = self._clock() - self._open_s
