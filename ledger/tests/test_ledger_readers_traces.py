"""Spans in any order become whole traces and requests, and no more of them are in memory than was said."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from opswire.ledger.account import account
from opswire.ledger.model import Span
from opswire.ledger.readers.traces import PARTS, Group, Traces
from opswire.ledger.testing import TraceBuilder, whole_request

TRACES, SPANS_EACH = 600, 13


def many(foreign: bool = False) -> list[Span]:
    spans = []
    for number in range(TRACES):
        key = None if foreign else f"cli/r{number}"
        for span in whole_request(TraceBuilder()):
            spans.append(replace(span, trace_id=f"{number:032x}", request_key=key))
    return spans


def as_sets(groups: list[Group]) -> dict[str, set[str]]:
    return {group.request_key or group.trace_id: {span.span_id for span in group.spans} for group in groups}


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("held_max", [100_000, 200, 20])
def test_shuffled_spans_come_back_together_whatever_fits_into_memory(foreign: bool, held_max: int) -> None:
    spans = many(foreign)
    random.Random(7).shuffle(spans)
    traces = Traces(held_max)
    groups = list(traces.groups(spans))
    assert len(groups) == TRACES
    assert all(len(group.spans) == SPANS_EACH for group in groups)
    assert as_sets(groups) == as_sets(list(Traces().groups(spans)))
    biggest_part = 3 * TRACES * SPANS_EACH // PARTS
    assert traces.held_peak <= max(held_max + 1, biggest_part)
    assert (traces.moved > 0) == (held_max < len(spans))


def test_what_was_moved_to_a_file_comes_back_as_it_was() -> None:
    spans = [replace(span, attributes={**span.attributes, "list": ["a", 1], "none": None}) for span in many()]
    found = [span for group in Traces(50).groups(spans) for span in group.spans]
    assert sorted(found, key=lambda span: (span.trace_id, span.span_id)) == spans


@pytest.mark.parametrize("held_max", [1_000, 10])
def test_a_request_over_several_traces_is_one_and_a_library_span_of_any_of_them_is_its(held_max: int) -> None:
    spans = []
    for number in range(200):
        first, second = f"{2 * number:032x}", f"{2 * number + 1:032x}"
        for place, span in enumerate(whole_request(TraceBuilder())):
            key = None if place in (1, 8) else f"cli/r{number}"
            spans.append(replace(span, trace_id=first if place < 6 else second, request_key=key))
    random.Random(3).shuffle(spans)
    groups = list(Traces(held_max).groups(spans))
    assert sorted(group.request_key or "" for group in groups) == sorted(f"cli/r{number}" for number in range(200))
    assert {len(group.spans) for group in groups} == {SPANS_EACH}


def test_two_requests_in_one_trace_are_two() -> None:
    spans = whole_request(TraceBuilder("cli/r1")) + [
        replace(span, span_id=f"e{span.span_id[1:]}") for span in whole_request(TraceBuilder("cli/r2"))
    ]
    groups = list(Traces().groups(spans))
    assert [(group.request_key, len(group.spans)) for group in groups] == [("cli/r1", 13), ("cli/r2", 13)]
    assert [account(str(group.request_key), group.spans)[0].e2e_ns for group in groups] == [40_000_000] * 2
