"""What holds for every trace, however broken: 10,000 of them, made at random and seeded."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from opswire.ledger.account import account, account_trace
from opswire.ledger.graph import STORED_TIME
from opswire.ledger.model import Request, Segment, Span
from opswire.ledger.stages import Stage
from opswire.ledger.table import stage_table
from opswire.ledger.testing import TraceBuilder, broken_spans, damaged_spans, whole_request
from opswire.ledger.tree import tree_of

KEY = "cli/r1"
BATCHES = 20
TRACES_PER_BATCH = 500
SHIFT_NS = 123_456_789_012_345

Account = Callable[[str, Sequence[Span]], tuple[Request, list[Segment]]]


def shifted(span: Span) -> Span:
    attributes = dict(span.attributes)
    stored = attributes.get(STORED_TIME)
    if isinstance(stored, int):
        attributes[STORED_TIME] = stored + SHIFT_NS
    return replace(span, start_ns=span.start_ns + SHIFT_NS, end_ns=span.end_ns + SHIFT_NS, attributes=attributes)


def traces(batch: int) -> list[list[Span]]:
    seeds = range(batch * TRACES_PER_BATCH, (batch + 1) * TRACES_PER_BATCH)
    return [broken_spans(seed) if seed % 2 else damaged_spans(seed) for seed in seeds]


def add_up(request: Request, segments: Sequence[Segment]) -> None:
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns == request.t1_ns - request.t0_ns
    assert all(segment.duration_ns > 0 for segment in segments)
    assert all(left.end_ns == right.start_ns for left, right in pairwise(segments))
    assert [segment.seq for segment in segments] == list(range(len(segments)))
    if segments:
        assert (segments[0].start_ns, segments[-1].end_ns) == (request.t0_ns, request.t1_ns)
    assert all(segment.why for segment in segments if segment.stage is Stage.UNATTRIBUTED)
    unattributed = sum(segment.duration_ns for segment in segments if segment.stage is Stage.UNATTRIBUTED)
    assert unattributed == request.unattributed_ns


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_broken_trace_adds_up_in_any_order_of_its_spans(batch: int) -> None:
    for seed, spans in enumerate(traces(batch)):
        request, segments = account(KEY, spans)
        add_up(request, segments)
        mixed = random.Random(seed).sample(spans, len(spans))
        assert account(KEY, mixed) == (request, segments)
        foreign = [replace(span, request_key=None) for span in spans]
        request, segments = account_trace("a", foreign)
        add_up(request, segments)
        assert account_trace("a", foreign[::-1]) == (request, segments)


@pytest.mark.parametrize("batch", range(0, BATCHES, 10))
def test_the_stage_table_of_a_broken_trace_adds_up_too(batch: int) -> None:
    for spans in traces(batch):
        request, segments = account(KEY, spans)
        rows = stage_table(request, segments, spans)
        assert sum(row.total_ns for row in rows) == request.e2e_ns
        assert all(sum(row.by_service.values()) == row.total_ns for row in rows)
        assert tree_of(KEY, spans) == tree_of(KEY, spans[::-1])


@pytest.mark.parametrize("batch", range(0, BATCHES, 10))
def test_a_constant_added_to_all_clocks_moves_the_segments_and_nothing_else(batch: int) -> None:
    for spans in traces(batch):
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


def test_the_damage_is_done_in_all_its_kinds() -> None:
    """A generator that only made sound traces would prove nothing."""
    seen: set[str] = set()
    for seed in range(300):
        seen.update(account(KEY, damaged_spans(seed))[0].flags)
    assert seen >= {"adopted", "duplicate_spans", "missing_parents", "reversed_times", "skew", "skew_conflict"}
    assert seen >= {"untrusted", "no_finish", "no_accept_time"}


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
