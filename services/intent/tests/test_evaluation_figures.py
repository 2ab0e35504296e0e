"""The figures of an evaluation, counted by hand on a few answers."""

from __future__ import annotations

import pytest
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, Risk
from opswire.intent.evaluation.answers import Answer
from opswire.intent.evaluation.comparison import compare
from opswire.intent.evaluation.expectations import Expectation, ExpectedEntity, entity_key
from opswire.intent.evaluation.figures import HEADLINE, figures

RESTART, STOP, LIST = IntentName.SERVICE_RESTART, IntentName.SERVICE_STOP, IntentName.ASSET_LIST


def answer(
    query: str,
    expected: IntentName,
    read: IntentName,
    confidence: float,
    risk: Risk = Risk.MEDIUM,
    entities: tuple[tuple[EntityType, str], ...] = (),
    also: tuple[IntentName, ...] = (),
    latency_ms: float = 1.0,
) -> Answer:
    """An answer to a request of MEDIUM risk, HIGH accepted too, that names the host Web-01."""
    expectation = Expectation(
        query=query,
        expected_intent=expected,
        also_accepted=list(also),
        expected_entities=[ExpectedEntity(type=EntityType.HOST, value="Web-01")],
        expected_risk=Risk.MEDIUM,
        risk_also_accepted=[Risk.HIGH],
    )
    found = frozenset(entity_key(kind, value) for kind, value in entities)
    return Answer(expectation, read, confidence, found, risk, latency_ms)


HOST = (EntityType.HOST, "web-01")
ANSWERS = [
    answer("a", RESTART, RESTART, 0.95, entities=(HOST,), latency_ms=1.0),
    answer("b", RESTART, RESTART, 0.85, Risk.HIGH, entities=(HOST, (EntityType.SERVICE, "nginx")), latency_ms=2.0),
    answer("c", RESTART, STOP, 0.75, Risk.CRITICAL, also=(STOP,), latency_ms=3.0),
    answer("d", LIST, STOP, 0.15, Risk.LOW, entities=((EntityType.SERVICE, "web-01"),), latency_ms=4.0),
]


def test_the_headline() -> None:
    found = figures(ANSWERS, 0.5)
    assert found["n"] == 4
    assert found["strict_accuracy"] == 0.5
    assert found["lenient_accuracy"] == 0.75
    # restart: precision 1, recall 2/3, F1 0.8; stop was read twice and never expected, list expected and never read.
    assert found["macro_f1"] == pytest.approx(0.8 / 3)
    assert found["entity_precision"] == 0.5
    assert found["entity_recall"] == 0.5
    assert found["risk_accuracy"] == 0.5
    assert (found["under_risk_rate"], found["under_risk_count"]) == (0.25, 1)
    assert all(0.0 <= found[name] <= 1.0 for name in HEADLINE)


def test_what_is_answered_at_a_threshold() -> None:
    assert figures(ANSWERS, 0.75)["answered"] == {
        "threshold": 0.75,
        "n": 3,
        "coverage": 0.75,
        "strict_accuracy": pytest.approx(2 / 3),
        "lenient_accuracy": 1.0,
        "under_risk_count": 0,
    }
    nothing = figures(ANSWERS, 1.0)["answered"]
    assert (nothing["n"], nothing["coverage"], nothing["lenient_accuracy"]) == (0, 0.0, 0.0)


def test_calibration_error_is_the_gap_of_each_bin_weighed_by_its_answers() -> None:
    found = figures(ANSWERS, 0.5)
    assert found["calibration_error"] == pytest.approx((0.05 + 0.15 + 0.75 + 0.15) / 4)
    assert [row["n"] for row in found["calibration"]] == [0, 1, 0, 0, 0, 0, 0, 1, 1, 1]
    certain = [answer(str(number), LIST, LIST, 1.0) for number in range(3)]
    assert figures(certain, 0.5)["calibration_error"] == 0.0


def test_confusions_latency_and_each_request() -> None:
    found = figures(ANSWERS, 0.5)
    assert found["confusions"] == [
        {"expected": "asset.list", "read": "service.stop", "n": 1, "accepted": 0},
        {"expected": "service.restart", "read": "service.stop", "n": 1, "accepted": 1},
    ]
    assert found["latency_ms"] == {"p50": 2.0, "p95": 4.0, "p99": 4.0, "max": 4.0}
    last = found["requests"][-1]
    assert (last["answered"], last["under_risk"], last["lenient"]) == (False, True, False)
    assert last["entities_missed"] == [{"type": "host", "value": "web-01"}]
    assert last["entities_invented"] == [{"type": "service", "value": "web-01"}]


def test_entities_of_requests_that_name_nothing() -> None:
    silent = Expectation(query="hello", expected_intent=IntentName.SYSTEM_HELP, expected_risk=Risk.LOW)
    right = Answer(silent, IntentName.SYSTEM_HELP, 0.9, frozenset(), Risk.LOW, 1.0)
    assert (figures([right], 0.5)["entity_precision"], figures([right], 0.5)["entity_recall"]) == (1.0, 1.0)
    wrong = Answer(silent, IntentName.SYSTEM_HELP, 0.9, frozenset({("host", "hello")}), Risk.LOW, 1.0)
    assert (figures([wrong], 0.5)["entity_precision"], figures([wrong], 0.5)["entity_recall"]) == (0.0, 0.0)


def test_two_runs_are_compared_request_by_request() -> None:
    before = figures(ANSWERS, 0.5) | {"requests_digest": "one"}
    better = [*ANSWERS[:3], answer("d", LIST, LIST, 0.9)]
    found = compare(figures(better, 0.5) | {"requests_digest": "one"}, before)
    assert (found["gained"], found["lost"], found["same_requests"], found["n_shared"]) == (["d"], [], True, 4)
    assert found["figures"]["lenient_accuracy"] == {"before": 0.75, "now": 1.0, "change": 0.25}
    assert found["chance"] == 1.0  # one change tells nothing
    back = compare(before, figures(better, 0.5) | {"requests_digest": "other"})
    assert (back["gained"], back["lost"], back["same_requests"]) == ([], ["d"], False)


def test_a_one_sided_change_of_ten_requests_is_hardly_chance() -> None:
    wrong = [answer(str(number), LIST, STOP, 0.9) for number in range(10)]
    right = [answer(str(number), LIST, LIST, 0.9) for number in range(10)]
    found = compare(figures(right, 0.5) | {"requests_digest": "x"}, figures(wrong, 0.5) | {"requests_digest": "x"})
    assert found["chance"] == pytest.approx(2 / 2**10)
