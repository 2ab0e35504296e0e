"""The ledger's walk against the critical paths that Jaeger UI and CRISP expect of their own traces, and a real vLLM."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from opswire.ledger.account import account_trace
from opswire.ledger.model import Segment, Span
from opswire.ledger.readers.files import read_file
from opswire.ledger.readers.jaeger import read_jaeger
from opswire.ledger.readers.traces import Traces
from opswire.ledger.stages import Stage

DATA = Path(__file__).parent / "data"
MICROSECOND_NS = 1_000
MILLISECOND_NS = 1_000_000
# CRISP counts overlapping siblings twice (tolerance); a partition cannot, and books the strict reading.
OVERLAPPING = {"[S1] O1": 100, "[S2] O2": 200, "[S3] O3": 0, "[S4] O4": 300}
CRISP_PARTITION = {
    "10.json": {"[S1] O1": 500, "[S2] O2": 200, "[S3] O3": 0, "[S4] O4": 300},
    "19.json": OVERLAPPING,
    "20.json": OVERLAPPING,
    "21.json": OVERLAPPING,
}
CRISP = sorted([*DATA.glob("crisp/*.json"), *DATA.glob("crisp-errors/*.json")])
LIVE = DATA / "vllm" / "openai-httpx2-vllm0.32.otlp.jsonl"


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def walk_from_root(spans: list[Span]) -> list[Segment]:
    request, segments = account_trace("recorded", spans)
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns
    assert request.flags == ("foreign",)
    return segments


@pytest.mark.parametrize("number", range(1, 10))
def test_jaeger_ui(number: int) -> None:
    document = load(DATA / "jaeger-ui" / f"out{number}.json")
    segments = walk_from_root(read_jaeger(document["trace"]))
    found = [(s.span_id, s.start_ns // MICROSECOND_NS, s.end_ns // MICROSECOND_NS) for s in reversed(segments)]
    expected = [(s["spanID"], s["sectionStart"], s["sectionEnd"]) for s in document["criticalPathSections"]]
    assert found == expected


def test_all_of_crisps_cases_are_here() -> None:
    assert len(CRISP) == 25 + 8


@pytest.mark.parametrize("path", CRISP, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_crisp(path: Path) -> None:
    document = load(path)
    spans = read_jaeger(document)
    names = {span.span_id: f"[{span.service}] {span.name}" for span in spans}
    found: dict[str, int] = defaultdict(int)
    for segment in walk_from_root(spans):
        found[names[segment.span_id]] += segment.duration_ns // MICROSECOND_NS
    testing = document["testing"]
    theirs: dict[str, int] = testing[0] if isinstance(testing, list) else testing["opTimeExclusive"]
    expected = CRISP_PARTITION.get(path.name, theirs) if path.parent.name == "crisp" else theirs
    assert dict(found) == {name: time for name, time in expected.items() if time}


def booked_by_call() -> dict[str, dict[Stage, int]]:
    calls: dict[str, dict[Stage, int]] = {}
    for group in Traces().groups(read_file(LIVE)):
        request, segments = account_trace(group.trace_id, group.spans)
        assert sum(segment.duration_ns for segment in segments) == request.e2e_ns
        stages: dict[Stage, int] = defaultdict(int)
        for segment in segments:
            stages[segment.stage] += segment.duration_ns
        calls[request.route.removeprefix("client2 ")] = stages
    return calls


def test_a_recorded_vllm_tells_how_long_a_call_waited_in_its_queue() -> None:
    calls = booked_by_call()
    waits = {number: calls[f"B-contend-{number}"][Stage.LLM_QUEUE] / MILLISECOND_NS for number in (0, 2, 5)}
    assert waits == {0: pytest.approx(0.04, abs=0.005), 2: pytest.approx(1243, abs=1), 5: pytest.approx(2148, abs=1)}
    assert calls["B-contend-5"][Stage.LLM_DECODE] == pytest.approx(432.9 * MILLISECOND_NS, rel=0.01)
    assert calls["A-httpx2-join"][Stage.LLM_PREFILL] == pytest.approx(33.04 * MILLISECOND_NS, rel=0.01)


@pytest.mark.parametrize("call", ["E-badmodel", "F-abort"])
def test_a_call_whose_server_said_nothing_is_unsplit_and_never_network(call: str) -> None:
    stages = booked_by_call()[call]
    assert stages[Stage.LLM_UNSPLIT] > 0
    assert stages.keys() <= {Stage.LLM_UNSPLIT, Stage.UNATTRIBUTED}


@pytest.mark.parametrize("document", [{}, {"data": 1}, {"data": [{"spans": [{"spanID": "a", "startTime": "x"}]}]}])
def test_what_is_not_jaeger_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"trace|number"):
        read_jaeger(document)
