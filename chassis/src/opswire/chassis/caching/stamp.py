"""A place in the log of invalidations."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

_PROOF = Struct(">Q8s")


class Stamp:
    """A place in one history of the log: its creation, the last sequence applied, when that message was stored."""

    __slots__ = ("history", "mark_ns", "proof", "sequence")

    def __init__(self, history: str, sequence: int, mark_ns: int) -> None:
        self.history = history
        self.sequence = sequence
        self.mark_ns = mark_ns
        self.proof = _PROOF.pack(mark_ns, blake2b(history.encode(), digest_size=8).digest())
        """Tells this place from the same sequence of another history; as long for every place."""
