"""The model tier of the cascade: a cached opinion, else one reading by a model, within the request's time.

What is cached is an intent and how sure the model was, under a key with the model, the prompts and the normalised
words. It holds no entity and no risk, so it is kept only where the model named nothing that the text's own grammar had
not found, and asked for no more risk than the floor: then the second asking gets the same answer as the first.
Everything else, errors too, is asked again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opswire.chassis.inference.errors import InferenceTimeoutError
from opswire.contracts.findings import Entity
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import ENTITIES_MAX, IntentSource, Risk
from opswire.intent.prompts.outputs import Reason
from opswire.intent.usecases.read_by_model import ModelReading

LATER_SERVICES_S = 5.0
"""What a model call leaves of a request's time for the services after this one, or half of it where that is less."""
MODEL_TAG = "intent:model"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a model took the words of a request for. It holds no entity and no risk."""

    name: IntentName
    confidence: float
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one request: `added` entities, and a risk that may be above the floor.

    `is_first_choice`: of the model that is asked first, not of one that stood in for it.
    """

    opinion: Opinion
    added: tuple[Entity, ...]
    risk: Risk
    source: IntentSource
    is_first_choice: bool = True


class OpinionCache(Protocol):
    """Remembers opinions; answers where one came from."""

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Opinion, list[str]]]]) -> tuple[Opinion, str]:
        """The opinion under `key`, loaded when it is not there, and where it came from."""


class Reader(Protocol):
    """Reads one text by a model."""

    @property
    def prompts_key(self) -> str:
        """Changes whenever the prompts do."""

    async def read(self, text: str, deadline_ns: int) -> ModelReading:
        """What the text asks. Raises InferenceUnavailableError, InferenceRefusedError or ReplyInvalidError."""


class ModelIdentity(Protocol):
    """Which model would be asked at this moment."""

    def __call__(self) -> tuple[str, str] | None:
        """The first endpoint's name, and what tells its model from others; None where there is nobody to ask."""


class _KeptForNobodyError(Exception):
    """The reading is right for its own text only."""


class AskModel:
    """Asks the model about one text, at most once for the same question at the same time."""

    def __init__(self, reader: Reader, cache: OpinionCache, identity: ModelIdentity) -> None:
        self._reader = reader
        self._cache = cache
        self._identity = identity

    @property
    def is_there(self) -> bool:
        """Whether a model is configured at this moment. Says nothing about its health."""
        return self._identity() is not None

    @property
    def versions(self) -> str:
        """The model and the prompts that would answer at this moment; empty where nobody would."""
        identity = self._identity()
        return f"{identity[1]}:{self._reader.prompts_key}" if identity is not None else ""

    async def __call__(self, text: str, words: str, own: Sequence[Entity], deadline_ns: int) -> Answer:
        """The model's answer; `words` is the cache key of the words, `own` what their grammar found.

        Raises InferenceUnavailableError, also where the time is over, InferenceRefusedError and ReplyInvalidError.
        """
        identity = self._identity()
        endpoint, model = identity or ("", "")
        now_ns = time.time_ns()
        left_s = (deadline_ns - now_ns) / 1e9
        left_s -= min(left_s / 2, LATER_SERVICES_S)
        due_ns = now_ns + int(left_s * 1e9)
        readings: list[ModelReading] = []

        async def ask() -> tuple[Opinion, list[str]]:
            reading = await self._reader.read(text, due_ns)
            readings.append(reading)
            if reading.endpoint != endpoint or _added(reading, own) or reading.risk is not reading.floor:
                raise _KeptForNobodyError
            return _opinion(reading), [MODEL_TAG]

        try:
            # The flight that is joined may belong to a request with more time than this one has.
            async with asyncio.timeout(max(0.0, left_s)):
                opinion, outcome = await self._cache.read(f"{model}:{self._reader.prompts_key}:{words}", ask)
        except _KeptForNobodyError:
            reading = readings[0] if readings else await self._reader.read(text, due_ns)
            is_first = reading.endpoint == endpoint
            return Answer(_opinion(reading), _added(reading, own), reading.risk, IntentSource.MODEL, is_first)
        except TimeoutError as error:
            raise InferenceTimeoutError(
                "the model did not answer in the time that the request has", "timeout"
            ) from error
        source = IntentSource.CACHE if outcome in ("memory", "shared", "coalesced") else IntentSource.MODEL
        return Answer(opinion, (), Risk.LOW, source)


def _opinion(reading: ModelReading) -> Opinion:
    return Opinion(reading.intent, reading.confidence, reading.reason)


def _added(reading: ModelReading, own: Sequence[Entity]) -> tuple[Entity, ...]:
    """The model's entities that overlap none of the text's own: those are surer."""
    known = [entity.value.lower() for entity in own]
    new = [
        entity
        for entity in reading.entities
        if not any(entity.value.lower() in value or value in entity.value.lower() for value in known)
    ]
    return tuple(new[: max(0, ENTITIES_MAX - len(own))])
