"""What a provider must be able to do to take a batch, and how long is waited for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opswire.chassis.inference.batch.items import BatchItem, BatchResult


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a submitted batch is. `answered` is what the provider says meanwhile, 0 where it does not."""

    is_ended: bool
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Handed:
    """Items that are handed over as one batch, under a label of ours that finds them again."""

    label: str
    items: Sequence[BatchItem]
    since_ns: int
    known: frozenset[str] = frozenset()
    """Custom ids whose results are on our disk already."""


class BatchTransport(Protocol):
    """One way to have many calls answered. Methods raise InferenceUnavailableError where a repetition may help."""

    @property
    def identity(self) -> str:
        """Which server and model; a state file belongs to one."""

    @property
    def items_max(self) -> int:
        """The most items of one batch; more are sent as several."""

    async def submit(self, handed: Handed, /) -> str:
        """Hand the batch over; answers the provider's id for it. Never repeated in here."""

    async def find(self, handed: Handed, /) -> str | None:
        """The id of the batch that was handed over under this label before; None where there is none."""

    async def poll(self, batch_id: str, /) -> BatchStatus:
        """Ask once how far it is. An unknown id raises InferenceRefusedError with the cause `not_found`."""

    def collect(self, batch_id: str, handed: Handed, /) -> AsyncIterator[BatchResult]:
        """The results of an ended batch by the items' custom ids, in any order; missing ones count as lost."""

    async def close(self) -> None:
        """Close every connection."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Between questions: from `first_s` growing to `most_s`, each shortened by chance to half of it at most."""

    first_s: float = 2.0
    most_s: float = 60.0
    growth: float = 1.6
    patience_s: float = 26 * 3_600.0
    """How long a batch may take in all; providers promise 24 hours."""
    errors_max: int = 20
    """Failed questions in a row, after which the batch is left for a later run."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def delay_s(self, turn: int, retry_after_s: float | None = None) -> float:
        """How long to wait before the next question; never shorter than the provider asks for."""
        grown = min(self.most_s, self.first_s * self.growth ** min(turn, 60))
        return max(grown * random.uniform(0.5, 1.0), retry_after_s or 0.0)  # noqa: S311  spreads load, guards nothing
