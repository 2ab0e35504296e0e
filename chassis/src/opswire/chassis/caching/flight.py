"""A read under way that others may join instead of asking too."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from opswire.chassis.caching.entry import Entry
from opswire.chassis.errors import RetryableError

ValueT = TypeVar("ValueT")


class Flight(Generic[ValueT]):
    """Costs next to nothing until somebody joins: most reads are joined by nobody."""

    _joined: asyncio.Future[Entry[ValueT]] | None = None

    def joined(self) -> asyncio.Future[Entry[ValueT]]:
        """What the leader brings. Shared by all who join, so it is to be shielded; not after the flight has landed."""
        if self._joined is None:
            self._joined = asyncio.get_running_loop().create_future()
        return self._joined

    def land(self, entry: Entry[ValueT]) -> None:
        """Give the entry to everyone who joined."""
        if self._joined is not None:
            self._joined.set_result(entry)

    def fail(self, error: BaseException) -> None:
        """Give the error to everyone who joined; a stopped leader is something that they may try again."""
        if self._joined is not None:
            stopped = RetryableError("the read that was joined was stopped")
            self._joined.set_exception(error if isinstance(error, Exception) else stopped)
            self._joined.exception()  # seen: the leader raises it, and so does everyone who joined
