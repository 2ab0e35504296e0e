"""When a trace is read: not before the span that published the outcome was handed over, however long a step ran."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from opswire.cli import tracing
from opswire.ledger import store
from opswire.ledger.model import Span
from opswire.ledger.testing import TraceBuilder, whole_request

KEY = "cli/r1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty span store."""
    made = tmp_path / "traces.db"
    store.create(made)
    return made


def early_and_late() -> tuple[list[Span], list[Span]]:
    """The spans of a request of long ago: those before its outcome was published, and the rest."""
    spans = whole_request(TraceBuilder(KEY))
    (finish,) = [span for span in spans if span.kind == "PRODUCER" and "finished" in span.name]
    return [span for span in spans if span.end_ns < finish.start_ns], [
        span for span in spans if span.end_ns >= finish.start_ns
    ]


def test_spans_that_are_all_old_are_not_the_whole_while_the_outcome_is_not_among_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = early_and_late()
    store.insert(path, early)
    handovers = [late]

    def hand_over(_: float) -> None:
        store.insert(path, handovers.pop())

    monkeypatch.setattr(time, "sleep", hand_over)
    monkeypatch.setattr(tracing, "SETTLE_MAX_S", float("inf"))
    found = tracing.settled_spans(path, KEY, has_ended=True)
    assert {span.span_id for span in found} == {span.span_id for span in early + late}


def test_a_request_whose_outcome_is_there_and_old_is_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    early, late = early_and_late()
    store.insert(path, early + late)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert len(tracing.settled_spans(path, KEY)) == len(early + late)
    assert slept == []


def test_a_request_without_an_outcome_is_shown_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    early, _ = early_and_late()
    store.insert(path, early)
    monkeypatch.setattr(tracing, "SETTLE_S", 0.0)
    assert len(tracing.settled_spans(path, KEY)) == len(early)
