"""What holds for every trace, however broken: 2,000 of them, made at random and seeded."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from opswire.ledger.account import account
from opswire.ledger.graph import STORED_TIME
from opswire.ledger.model import Span
from opswire.ledger.stages import Stage
from opswire.ledger.table import stage_table
from opswire.ledger.testing import TraceBuilder, broken_spans, whole_request
from opswire.ledger.tree import tree_of

KEY = "cli/r1"
BATCHES = 20
TRACES_PER_BATCH = 100
SHIFT_NS = 123_456_789_012_345


def shifted(span: Span) -> Span:
    attributes = dict(span.attributes)
    stored = attributes.get(STORED_TIME)
    if isinstance(stored, int):
        attributes[STORED_TIME] = stored + SHIFT_NS
    return replace(span, start_ns=span.start_ns + SHIFT_NS, end_ns=span.end_ns + SHIFT_NS, attributes=attributes)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_broken_trace_still_adds_up(batch: int) -> None:
    for seed in range(batch * TRACES_PER_BATCH, (batch + 1) * TRACES_PER_BATCH):
        spans = broken_spans(seed)
        request, segments = account(KEY, spans)
        assert sum(segment.duration_ns for segment in segments) == request.e2e_ns == request.t1_ns - request.t0_ns
        assert all(segment.duration_ns > 0 for segment in segments)
        assert all(left.end_ns == right.start_ns for left, right in pairwise(segments))
        assert [segment.seq for segment in segments] == list(range(len(segments)))
        if segments:
            assert (segments[0].start_ns, segments[-1].end_ns) == (request.t0_ns, request.t1_ns)
        assert all(segment.why for segment in segments if segment.stage is Stage.UNATTRIBUTED)
        rows = stage_table(request, segments, spans)
        assert sum(row.total_ns for row in rows) == request.e2e_ns
        assert all(sum(row.by_service.values()) == row.total_ns for row in rows)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_order_of_the_spans_does_not_matter(batch: int) -> None:
    for seed in range(batch * TRACES_PER_BATCH, (batch + 1) * TRACES_PER_BATCH):
        spans = broken_spans(seed)
        mixed = list(spans)
        random.Random(seed + 1).shuffle(mixed)
        assert account(KEY, spans) == account(KEY, mixed)
        assert tree_of(KEY, spans) == tree_of(KEY, mixed)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_constant_added_to_all_clocks_moves_the_segments_and_nothing_else(batch: int) -> None:
    for seed in range(batch * TRACES_PER_BATCH, (batch + 1) * TRACES_PER_BATCH):
        spans = broken_spans(seed)
        request, segments = account(KEY, spans)
        later, later_segments = account(KEY, [shifted(span) for span in spans])
        if not request.trace_ids:
            assert later == request
            continue
        assert later == replace(request, t0_ns=request.t0_ns + SHIFT_NS, t1_ns=request.t1_ns + SHIFT_NS)
        assert later_segments == [
            replace(segment, start_ns=segment.start_ns + SHIFT_NS, end_ns=segment.end_ns + SHIFT_NS)
            for segment in segments
        ]


@pytest.mark.parametrize("dropped", range(13))
def test_a_dropped_span_never_changes_the_sum(dropped: int) -> None:
    spans = whole_request(TraceBuilder())
    del spans[dropped]
    request, segments = account(KEY, spans)
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns > 0


def test_every_span_stands_in_the_tree_once() -> None:
    for seed in range(200):
        spans = [span for span in broken_spans(seed) if span.request_key in (None, KEY)]
        branches = tree_of(KEY, spans)
        assert len(branches) == len({(span.trace_id, span.span_id) for span in spans})
