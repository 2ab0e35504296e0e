"""What the local tier answers: the very functions that the service calls, without a cache and without an inventory."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.intent.classifier.model import Classifier
from opswire.intent.evaluation.expectations import Expectation, entity_key
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of


@dataclass(frozen=True, slots=True)
class Answer:
    """One request, what was expected of it and what was read. `confidence` is of the likeliest intent, 0 to 1."""

    expected: Expectation
    intent: IntentName
    confidence: float
    entities: frozenset[tuple[str, str]]
    risk: Risk
    latency_ms: float

    @property
    def strict(self) -> bool:
        """The expected intent."""
        return self.intent is self.expected.expected_intent

    @property
    def lenient(self) -> bool:
        """The expected intent, or one that is accepted too."""
        return self.intent in self.expected.intents

    @property
    def risk_right(self) -> bool:
        """The expected risk, or one that is accepted too."""
        return self.risk in self.expected.risks

    @property
    def under_risk(self) -> bool:
        """A risk below every accepted one: such a mistake would pass by an approval."""
        return self.risk.rank < min(risk.rank for risk in self.expected.risks)

    @property
    def wanted(self) -> frozenset[tuple[str, str]]:
        """The expected entities as they are compared."""
        return frozenset(entity.key for entity in self.expected.expected_entities)


def answer_locally(classifier: Classifier, expectations: Iterable[Expectation]) -> list[Answer]:
    """Read every request. The inventory is empty: names are told by shape and grammar alone."""
    names = NameIndex()
    return [_answer(classifier, names, expectation) for expectation in expectations]


def _answer(classifier: Classifier, names: NameIndex, expected: Expectation) -> Answer:
    begun_ns = time.perf_counter_ns()
    best = classifier.classify(expected.query)[0]
    entities = extract_entities(expected.query, names)
    risk = risk_of(best.name, entities, names, expected.query)
    ended_ns = time.perf_counter_ns()
    found = frozenset(entity_key(entity.type, entity.value) for entity in entities)
    return Answer(expected, best.name, min(1.0, best.probability), found, risk, (ended_ns - begun_ns) / 1e6)
