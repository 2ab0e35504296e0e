"""The ledger's walk against the critical paths that Jaeger UI and CRISP expect of their own traces."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from opswire.ledger.account import account
from opswire.ledger.model import Segment, Span
from opswire.ledger.readers.jaeger import read_jaeger
from opswire.ledger.window import Window

DATA = Path(__file__).parent / "data"
MICROSECOND_NS = 1_000
# CRISP counts overlapping siblings twice (tolerance); a partition cannot, and books the strict reading.
CRISP_PARTITION = {"10": {"[S1] O1": 500, "[S2] O2": 200, "[S3] O3": 0, "[S4] O4": 300}}


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def walk_from_root(spans: list[Span]) -> list[Segment]:
    """Both take the root for the whole, not what is published last as ours do."""
    root = next(span for span in spans if span.parent_id is None and not span.links)
    window = Window(root.start_ns, root.end_ns, (root.trace_id, root.span_id))
    request, segments = account("recorded/trace", spans, window)
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns
    return segments


@pytest.mark.parametrize("number", range(1, 10))
def test_jaeger_ui(number: int) -> None:
    document = load(DATA / "jaeger-ui" / f"out{number}.json")
    segments = walk_from_root(read_jaeger(document["trace"]))
    found = [(s.span_id, s.start_ns // MICROSECOND_NS, s.end_ns // MICROSECOND_NS) for s in reversed(segments)]
    expected = [(s["spanID"], s["sectionStart"], s["sectionEnd"]) for s in document["criticalPathSections"]]
    assert found == expected


@pytest.mark.parametrize("number", range(1, 13))
def test_crisp(number: int) -> None:
    document = load(DATA / "crisp" / f"{number}.json")
    spans = read_jaeger(document)
    names = {span.span_id: f"[{span.service}] {span.name}" for span in spans}
    found: dict[str, int] = defaultdict(int)
    for segment in walk_from_root(spans):
        found[names[segment.span_id]] += segment.duration_ns // MICROSECOND_NS
    testing = document["testing"]
    theirs: dict[str, int] = testing[0] if isinstance(testing, list) else testing["opTimeExclusive"]
    expected = CRISP_PARTITION.get(str(number), theirs)
    assert dict(found) == {name: time for name, time in expected.items() if time}


@pytest.mark.parametrize("document", [{}, {"data": 1}, {"data": [{"spans": [{"spanID": "a", "startTime": "x"}]}]}])
def test_what_is_not_jaeger_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"trace|number"):
        read_jaeger(document)
