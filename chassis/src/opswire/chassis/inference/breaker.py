"""A circuit breaker: an endpoint that fails again and again is left alone until one probe finds it well.

Many calls run at once, and those that run together fail together: a stutter of a few milliseconds can break fifty.
So it opens on failures of which each began after the one before had ended, or on failures that go on for a second
without one success between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

FAILURES_MAX = 5
FAILING_S = 1.0
OPEN_FIRST_S = 5.0
OPEN_LONGEST_S = 60.0


class BreakerState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    """One call may try; the others are refused until it has ended."""
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave for one call."""

    begun_s: float
    is_probe: bool = False


class Breaker:
    """Of one endpoint. Each ticket that `admit` gives is brought back once: succeeded, failed or abandoned."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._failures_in_turn = 0
        self._failing_since = 0.0
        self._counted_at = 0.0
        self._open_s = OPEN_FIRST_S
        self._opened_at: float | None = None
        self._probe: Ticket | None = None

    @property
    def state(self) -> BreakerState:
        """As it is now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._probe is not None or self._clock() - self._opened_at >= self._open_s:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def would_admit(self) -> bool:
        """Whether `admit` would give a ticket now; takes nothing."""
        if self._opened_at is None:
            return True
        return self._probe is None and self._clock() - self._opened_at >= self._open_s

    def admit(self) -> Ticket | None:
        """A ticket for one call, or None: leave the endpoint alone. In the half-open state the first is the probe."""
        if self._opened_at is None:
            return Ticket(self._clock())
        if not self.would_admit:
            return None
        self._probe = Ticket(self._clock(), is_probe=True)
        return self._probe

    def succeeded(self) -> None:
        """The endpoint answered, if only with a refusal: it is well, whichever call that was."""
        self._failures = self._failures_in_turn = 0
        self._open_s = OPEN_FIRST_S
        self._opened_at = self._probe = None

    def failed(self, ticket: Ticket) -> None:
        """It did not answer. A failed probe doubles the time until the next, up to a minute.

        Calls that began before it was left alone and fail later say nothing new.
        """
        now_s = self._clock()
        if self._opened_at is not None:
            if ticket is self._probe:
                self._open_s = min(self._open_s * 2, OPEN_LONGEST_S)
                self._opened_at, self._probe = now_s, None
            return
        if self._failures == 0:
            self._failing_since = now_s
        self._failures += 1
        if self._failures == 1 or ticket.begun_s >= self._counted_at:
            self._failures_in_turn += 1
            self._counted_at = now_s
        is_long = self._failures >= FAILURES_MAX and now_s - self._failing_since >= FAILING_S
        if is_long or self._failures_in_turn >= FAILURES_MAX:
            self._opened_at = now_s

    def abandoned(self, ticket: Ticket) -> None:
        """The call says nothing about the endpoint: it was cancelled, or only its own time was too short."""
        if ticket is self._probe:
            self._probe = None

    def seen_well(self) -> None:
        """A health check found it well: the next call may try at once."""
        if self._opened_at is not None:
            self._opened_at = self._clock() - self._open_s
