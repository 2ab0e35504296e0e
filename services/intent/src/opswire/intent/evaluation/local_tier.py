"""What the local tier answers: the very functions that the service calls, without a cache and without an inventory."""

from __future__ import annotations

import time
from collections.abc import Iterable

from opswire.intent.classifier.model import Classifier
from opswire.intent.evaluation.answers import Answer
from opswire.intent.evaluation.expectations import Expectation, entity_key
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of


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
