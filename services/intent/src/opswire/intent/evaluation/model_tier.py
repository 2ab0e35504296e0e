"""What the model tier and the cascade answer: the very functions that the service calls, without its cache."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from opswire.chassis.errors import OpswireError
from opswire.contracts.findings import Entity, IntentFinding
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, Risk
from opswire.intent.evaluation.answers import Answer
from opswire.intent.evaluation.expectations import Expectation, entity_key
from opswire.intent.evaluation.metering import metering
from opswire.intent.evaluation.runner import Read
from opswire.intent.usecases.read_by_model import ReadByModel

NS = 1_000_000_000
TIME_S = 120.0
"""How long one request may take, waiting for its turn included; an endpoint's own times are shorter."""
BATCH_TIME_S = 86_400.0
DETAIL_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class _Found:
    intent: IntentName
    confidence: float
    entities: Sequence[Entity]
    risk: Risk
    source: str


def by_model(reader: ReadByModel, time_s: float = TIME_S) -> Read:
    """Every request by the model alone."""

    async def find(text: str) -> _Found:
        found = await reader.read(text, time.time_ns() + int(time_s * NS))
        source = IntentSource.MODEL.value
        return _Found(found.intent, found.confidence, found.entities, found.risk, source)

    return lambda expected: _answer(find, expected)


def by_cascade(find_intent: Callable[[str, int], Awaitable[IntentFinding]], time_s: float = TIME_S) -> Read:
    """Every request as the service reads it: locally where that is sure enough, else by the model.

    `find_intent` takes a text and a deadline in nanoseconds since 1970. A question back counts as a failure.
    """

    async def find(text: str) -> _Found:
        found = await find_intent(text, time.time_ns() + int(time_s * NS))
        return _Found(found.name, found.confidence, found.entities, found.risk, found.source.value)

    return lambda expected: _answer(find, expected)


async def _answer(find: Callable[[str], Awaitable[_Found]], expected: Expectation) -> Answer:
    begun_ns = time.perf_counter_ns()
    with metering() as meter:
        try:
            found = await find(expected.query)
        except OpswireError as error:
            latency_ms = (time.perf_counter_ns() - begun_ns) / 1e6
            detail = str(error)[:DETAIL_CHARACTERS_MAX]
            return Answer(expected, None, 0.0, frozenset(), None, latency_ms, "none", meter.spent, error.code, detail)
    latency_ms = (time.perf_counter_ns() - begun_ns) / 1e6
    entities = frozenset(entity_key(entity.type, entity.value) for entity in found.entities)
    return Answer(
        expected, found.intent, min(1.0, found.confidence), entities, found.risk, latency_ms, found.source, meter.spent
    )
