"""An invalidation log in which nothing happens, for tests of what is built over a cache."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.chassis.caching.log import Follower
from opswire.chassis.caching.stamp import Stamp


class SteadyLog:
    """Always inside its lease; every entry that carries tags is valid."""

    stamp = Stamp("history", 1, 1)
    applied = 1
    inside_lease = True
    lease_until_s = float("inf")

    def __init__(self) -> None:
        self.followers: list[Follower] = []

    def is_valid(self, stamp: Stamp, tags: Sequence[str]) -> bool:
        """Whether an entry is true: as long as it says what it depends on."""
        return stamp.sequence <= self.applied and bool(tags)

    def valid_stamp(self, sequence: int, proof: bytes, tags: Sequence[str]) -> Stamp | None:
        """The stamp of an entry that is true, else None."""
        is_ours = sequence <= self.applied and proof == self.stamp.proof
        return self.stamp if is_ours and tags else None
