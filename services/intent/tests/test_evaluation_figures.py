"""The figures of an evaluation, counted by hand on a few answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opswire.chassis.inference.call import Usage
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, Risk
from opswire.intent.evaluation.answers import Answer, Spent
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


def test_a_failure_is_wrong_in_everything_and_passes_by_no_approval() -> None:
    failed = Answer(
        ANSWERS[0].expected,
        None,
        0.0,
        frozenset(),
        None,
        9.0,
        "none",
        Spent(calls=1, unmeasured=1),
        "away",
        "no answer",
    )
    found = figures([*ANSWERS, failed], 0.0)
    assert (found["n"], found["strict_accuracy"], found["lenient_accuracy"]) == (5, 0.4, 0.6)
    assert (found["risk_accuracy"], found["under_risk_count"]) == (0.4, 1)
    assert found["entity_recall"] == 0.4
    assert found["failures"] == {"n": 1, "rate": 0.2, "by_code": {"away": 1}, "examples": {"away": "no answer"}}
    assert found["answered"]["n"] == 4
    # What is sure of nothing says nothing about how far confidence can be believed.
    assert found["calibration_error"] == figures(ANSWERS, 0.0)["calibration_error"]
    assert found["confusions"] == figures(ANSWERS, 0.0)["confusions"]
    assert found["usage"]["unmeasured_calls"] == 1


def test_usage_is_summed_and_one_unknown_price_makes_the_cost_unknown() -> None:
    known = Spent(1, Usage(100, 10, 60, 5), 0.5)
    answers = [replace(ANSWERS[0], spent=known), replace(ANSWERS[1], spent=known + known), ANSWERS[2], ANSWERS[3]]
    usage = figures(answers, 0.5)["usage"]
    assert (usage["calls"], usage["prompt_tokens"], usage["cached_tokens"], usage["output_tokens"]) == (3, 300, 180, 30)
    assert (usage["cache_write_tokens"], usage["cached_share"], usage["requests_with_a_call"]) == (15, 0.6, 2)
    assert (usage["cost_usd"], usage["per_request"]["cost_usd"]) == (1.5, 0.375)
    unknown = figures([*answers, replace(ANSWERS[0], spent=Spent(1, Usage(1), None))], 0.5)["usage"]
    assert (unknown["cost_usd"], unknown["per_request"]["cost_usd"]) == (None, None)
    assert figures(ANSWERS, 0.5)["usage"]["cost_usd"] == 0.0


def test_each_source_has_its_own_figures() -> None:
    answers = [ANSWERS[0], replace(ANSWERS[1], source="model"), replace(ANSWERS[3], source="model")]
    sources = figures(answers, 0.5)["sources"]
    assert (sources["local"]["n"], sources["local"]["strict_accuracy"]) == (1, 1.0)
    assert (sources["model"]["n"], sources["model"]["strict_accuracy"], sources["model"]["under_risk_count"]) == (
        2,
        0.5,
        1,
    )
    assert sources["model"]["latency_ms"]["p50"] == 2.0


def test_a_report_of_before_the_model_tier_can_be_compared_with() -> None:
    now = figures(ANSWERS, 0.5) | {"requests_digest": "one", "tier": "model"}
    before = {name: value for name, value in now.items() if name not in ("usage", "sources", "failures", "tier")}
    found = compare(now, before)
    assert found["usage"]["prompt_tokens"] == {"before": None, "now": 0.0, "change": None}
    assert found["made_with"]["tier"] == {"before": None, "now": "model"}
