"""The evaluation set that ships: large enough, every intent, well labelled, and nothing that was trained on."""

from __future__ import annotations

from collections import Counter

from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.intent.classifier.features import masked
from opswire.intent.classifier.labelled import load_labelled, sameness
from opswire.intent.evaluation.expectations import own_expectations

REQUESTS_MIN = 80
PER_INTENT_MIN = 2
RESEMBLANCE_MAX = 0.6
"""The share of runs of three characters that two texts may have in common, of all runs in either."""


def runs(text: str) -> frozenset[str]:
    """Every run of three characters of a text, names and numbers masked."""
    padded = f" {masked(text)} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def resemblance(first: frozenset[str], second: frozenset[str]) -> float:
    """The share of their runs that two texts have in common."""
    return len(first & second) / len(first | second)


def test_the_set_is_large_enough_and_covers_every_intent_and_risk() -> None:
    found = own_expectations()
    counts = Counter(expectation.expected_intent for expectation in found)
    assert len(found) >= REQUESTS_MIN
    assert {name for name in IntentName if counts[name] < PER_INTENT_MIN} == set()
    assert {expectation.expected_risk for expectation in found} == set(Risk)
    assert sum(len(expectation.expected_entities) for expectation in found) > 100


def test_an_expected_entity_stands_in_its_request() -> None:
    missing = [
        (expectation.query, entity.value)
        for expectation in own_expectations()
        for entity in expectation.expected_entities
        if entity.value.casefold() not in expectation.query.casefold()
    ]
    assert missing == []


def test_what_is_expected_is_not_accepted_once_more() -> None:
    twice = [
        expectation.query
        for expectation in own_expectations()
        if expectation.expected_intent in expectation.also_accepted
        or expectation.expected_risk in expectation.risk_also_accepted
    ]
    assert twice == []


def test_no_request_resembles_a_labelled_one_or_another() -> None:
    expectations = own_expectations()
    labelled = load_labelled()
    keys = Counter([sameness(row.text) for row in labelled] + [sameness(row.query) for row in expectations])
    assert [row.query for row in expectations if keys[sameness(row.query)] > 1] == []
    trained = [(runs(row.text), row.text) for row in labelled]
    close = [
        (row.query, text)
        for row in expectations
        for found in [runs(row.query)]
        for known, text in trained
        if resemblance(found, known) > RESEMBLANCE_MAX
    ]
    assert close == []


def test_the_measure_of_resemblance_finds_a_near_duplicate() -> None:
    assert resemblance(runs("restart nginx on web-01 now"), runs("restart nginx on web-07")) > RESEMBLANCE_MAX
    assert resemblance(runs("restart nginx on web-01"), runs("who is on call tonight")) < RESEMBLANCE_MAX
