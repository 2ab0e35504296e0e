"""What a batch is made of: items with ids of the caller's, results by those ids, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from opswire.chassis.inference.call import Message, Usage

CUSTOM_ID_PATTERN = r"[a-zA-Z0-9_-]{1,64}"
"""What every provider takes as a custom id."""
ATTEMPTS_MAX = 3
"""How often one item is handed over before it counts as failed."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One call of a batch. `custom_id` is the caller's, unique in the batch and of CUSTOM_ID_PATTERN."""

    custom_id: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    """None takes the endpoint's."""
    schema_name: str = ""
    json_schema: Mapping[str, Any] | None = None


class Failure(StrEnum):
    """Why an item has no answer."""

    REFUSED = "refused"
    """The provider says that the call is wrong: it would be wrong again."""
    EXPIRED = "expired"
    """The batch's time was over before this item's turn."""
    CANCELLED = "cancelled"
    BROKEN = "broken"
    """The provider failed, or its answer cannot be read."""
    LOST = "lost"
    """The provider's results do not name it."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to one item, or why there is none. `attempts` counts how often it was submitted."""

    custom_id: str
    text: str | None
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    failure: Failure | None = None
    detail: str = ""
    attempts: int = 1

    @property
    def is_answered(self) -> bool:
        """Whether there is a text."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is: items answered, failed for good, and in all; `round` counts submissions, from 1."""

    round: int
    answered: int
    failed: int
    total: int
    state: str
    """`submitting`, `waiting`, `collecting` or `done`."""


OnProgress: TypeAlias = Callable[[BatchProgress], None]
