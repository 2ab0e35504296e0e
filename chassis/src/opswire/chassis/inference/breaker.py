"""A circuit breaker: an endpoint that failed several times in a row is left alone until one probe finds it well."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

FAILURES_MAX = 5
OPEN_FIRST_S = 5.0
OPEN_LONGEST_S = 60.0
USUAL = 0
"""The ticket of a call that is no probe."""


class BreakerState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    """One call may try; the others are refused until it has ended."""
    OPEN = "open"


class Breaker:
    """Of one endpoint. Each ticket that `admit` gives is brought back once: succeeded, failed or abandoned."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_s = OPEN_FIRST_S
        self._opened_at: float | None = None
        self._probe = USUAL
        self._probes = 0

    @property
    def state(self) -> BreakerState:
        """As it is now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._probe or self._clock() - self._opened_at >= self._open_s:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def would_admit(self) -> bool:
        """Whether `admit` would give a ticket now; takes nothing."""
        if self._opened_at is None:
            return True
        return not self._probe and self._clock() - self._opened_at >= self._open_s

    def admit(self) -> int | None:
        """A ticket for one call, or None: leave the endpoint alone. In the half-open state the first is the probe."""
        if self._opened_at is None:
            return USUAL
        if not self.would_admit:
            return None
        self._probes += 1
        self._probe = self._probes
        return self._probe

    def succeeded(self) -> None:
        """The endpoint answered, if only with a refusal: it is well, whichever call that was."""
        self._failures = 0
        self._open_s = OPEN_FIRST_S
        self._opened_at = None
        self._probe = USUAL

    def failed(self, ticket: int) -> None:
        """It did not answer. A failed probe doubles the time until the next, up to a minute.

        Calls that began before it was left alone and fail later say nothing new.
        """
        if self._opened_at is None:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                self._opened_at = self._clock()
        elif ticket and ticket == self._probe:
            self._open_s = min(self._open_s * 2, OPEN_LONGEST_S)
            self._opened_at = self._clock()
            self._probe = USUAL

    def abandoned(self, ticket: int) -> None:
        """The call says nothing about the endpoint: it was cancelled, or only its own time was too short."""
        if ticket and ticket == self._probe:
            self._probe = USUAL

    def seen_well(self) -> None:
        """A health check found it well: the next call may try at once."""
        if self._opened_at is not None:
            self._opened_at = self._clock() - self._open_s
