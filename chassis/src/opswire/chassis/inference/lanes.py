"""A bounded number of calls at an endpoint at once, interactive ones first."""

from __future__ import annotations

import asyncio
from collections import deque

from opswire.chassis.inference.call import Lane
from opswire.chassis.inference.errors import InferenceOverloadedError

KEPT_PART = 4
"""One place in so many is kept free of bulk calls, and at least one where there are two or more."""


class Lanes:
    """Places at one endpoint. `enter` before a call, `leave` after it, always."""

    def __init__(self, endpoint: str, places: int, queue_max: int) -> None:
        self._endpoint = endpoint
        self._places = places
        self._bulk_places = places - max(1, places // KEPT_PART) if places > 1 else 1
        self._queue_max = queue_max
        self._taken = 0
        self._taken_by_bulk = 0
        self._interactive: deque[asyncio.Future[None]] = deque()
        self._bulk: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> int:
        """Calls that are at the endpoint now."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return sum(not waiter.done() for queue in (self._interactive, self._bulk) for waiter in queue)

    def enter_now(self, lane: Lane) -> bool:
        """Take a place if one is free for this lane and nobody waits before."""
        if self._interactive or (lane is Lane.BULK and self._bulk) or not self._is_free(lane):
            return False
        self._take(lane)
        return True

    async def enter(self, lane: Lane) -> None:
        """Wait for a place and take it. Raises InferenceOverloadedError when too many wait already.

        An interactive call takes the place of the youngest waiting bulk call rather than being refused.
        """
        if self.enter_now(lane):
            return
        if len(self._interactive) + len(self._bulk) >= self._queue_max and self.waiting >= self._queue_max:
            youngest = next((waiter for waiter in reversed(self._bulk) if not waiter.done()), None)
            if lane is Lane.BULK or youngest is None:
                raise self._full()
            self._bulk.remove(youngest)
            youngest.set_exception(self._full())
        queue = self._interactive if lane is Lane.INTERACTIVE else self._bulk
        waiter = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(lane)  # the place was given in the same turn in which the call was cancelled
            elif waiter in queue:
                queue.remove(waiter)
            raise

    def leave(self, lane: Lane) -> None:
        """Give the place back; the next that waits has it at once."""
        self._taken -= 1
        if lane is Lane.BULK:
            self._taken_by_bulk -= 1
        self._pass_on(self._interactive, Lane.INTERACTIVE)
        if not self._interactive:
            self._pass_on(self._bulk, Lane.BULK)

    def _pass_on(self, queue: deque[asyncio.Future[None]], lane: Lane) -> None:
        while queue and self._is_free(lane):
            waiter = queue.popleft()
            if not waiter.done():
                self._take(lane)
                waiter.set_result(None)

    def _is_free(self, lane: Lane) -> bool:
        if lane is Lane.BULK and self._taken_by_bulk >= self._bulk_places:
            return False
        return self._taken < self._places

    def _take(self, lane: Lane) -> None:
        self._taken += 1
        if lane is Lane.BULK:
            self._taken_by_bulk += 1

    def _full(self) -> InferenceOverloadedError:
        return InferenceOverloadedError(
            f"{self._queue_max:,} calls wait for a place at model endpoint {self._endpoint} already", "queue_full"
        )
