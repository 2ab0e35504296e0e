"""A read under way that others may join instead of asking too."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from opswire.chassis.caching.entry import Entry
from opswire.chassis.errors import RetryableError

ValueT = TypeVar("ValueT")


class Flight(Generic[ValueT]):
    """Costs next to nothing until somebody joins: most reads are joined by nobody."""

    waited_for: asyncio.Future[Entry[ValueT]] | None = None
    """Is there once somebody joined."""

    def joined(self) -> asyncio.Future[Entry[ValueT]]:
        """What the leader brings. Shared by all who join, so it is to be shielded; not after the flight has landed."""
        if self.waited_for is None:
            self.waited_for = asyncio.get_running_loop().create_future()
        return self.waited_for

    def land(self, entry: Entry[ValueT]) -> None:
        """Give the entry to everyone who joined."""
        if self.waited_for is not None:
            self.waited_for.set_result(entry)

    def fail(self, error: BaseException) -> None:
        """Give the error to everyone who joined; a stopped leader is something that they may try again."""
        if self.waited_for is not None:
            stopped = RetryableError("the read that was joined was stopped")
            self.waited_for.set_exception(error if isinstance(error, Exception) else stopped)
            self.waited_for.exception()  # seen: the leader raises it, and so does everyone who joined
