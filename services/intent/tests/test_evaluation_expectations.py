"""Lines of labelled requests: what is read, and that a bad line is named with its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.intent.evaluation.expectations import EvaluationError, digest_of, parse_expectations, read_expectations

GOOD: dict[str, Any] = {
    "query": "restart nginx on web-01",
    "expected_intent": "service.restart",
    "also_accepted": ["command.run"],
    "expected_entities": [{"type": "host", "value": "WEB-01"}],
    "expected_risk": "MEDIUM",
    "risk_also_accepted": ["HIGH"],
    "source": "a field that is not ours",
}
LINE = json.dumps(GOOD).encode()


def test_a_line_is_read_whole() -> None:
    [found] = parse_expectations(b"\xef\xbb\xbf\r\n" + LINE + b"\r\n\n", "x")
    assert found.intents == {IntentName.SERVICE_RESTART, IntentName.COMMAND_RUN}
    assert found.risks == {Risk.MEDIUM, Risk.HIGH}
    assert found.expected_entities[0].key == ("host", "web-01")


def test_only_query_intent_and_risk_are_demanded() -> None:
    least = {key: GOOD[key] for key in ("query", "expected_intent", "expected_risk")}
    [found] = parse_expectations(json.dumps(least).encode(), "x")
    assert (found.also_accepted, found.expected_entities, found.risk_also_accepted) == ([], [], [])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{broken", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (json.dumps(GOOD | {"query": ""}).encode(), "query"),
        (json.dumps(GOOD | {"query": 7}).encode(), "query"),
        (json.dumps({key: value for key, value in GOOD.items() if key != "query"}).encode(), "query is missing"),
        (json.dumps(GOOD | {"expected_intent": "service.explode"}).encode(), "'service.explode'"),
        (json.dumps(GOOD | {"also_accepted": "command.run"}).encode(), "also_accepted"),
        (json.dumps(GOOD | {"expected_risk": "medium"}).encode(), "expected_risk"),
        (json.dumps(GOOD | {"expected_entities": [{"type": "planet", "value": "x"}]}).encode(), "'planet'"),
        (json.dumps(GOOD | {"expected_entities": [{"type": "host"}]}).encode(), "expected_entities.0.value is missing"),
    ],
)
def test_a_bad_line_is_named_with_its_number(bad: bytes, said: str) -> None:
    with pytest.raises(EvaluationError, match="rows, line 3: ") as raised:
        parse_expectations(LINE + b"\n\n" + bad + b"\n" + LINE, "rows")
    assert said in str(raised.value)


def test_a_file_without_requests_or_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="holds no request"):
        parse_expectations(b"\n\n", "x")
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_expectations(tmp_path / "missing")
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_expectations(tmp_path)


def test_the_digest_follows_requests_and_labels() -> None:
    one, other = parse_expectations(LINE + b"\n" + json.dumps(GOOD | {"expected_risk": "HIGH"}).encode(), "x")
    assert digest_of([one]) == digest_of([one])
    assert len({digest_of([one]), digest_of([other]), digest_of([one, other])}) == 3
