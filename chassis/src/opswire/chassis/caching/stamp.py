"""A place in the log of invalidations."""

from __future__ import annotations

from typing import NamedTuple


class Stamp(NamedTuple):
    """A place in one history of the log: its creation, the last sequence applied, when that message was stored."""

    history: str
    sequence: int
    mark_ns: int
