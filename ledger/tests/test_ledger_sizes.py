"""Large traces: of 23,000 spans, wide, deep or broken, and many of 33; each is walked without recursion and adds up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from opswire.ledger.account import account_trace
from opswire.ledger.model import Span
from opswire.ledger.stages import Stage
from opswire.ledger.table import stage_table
from opswire.ledger.tree import tree_of

MANY = 23_000
MINUTE_NS = 60_000_000_000


def span(number: int, parent: int | None, start: int, end: int) -> Span:
    return Span(
        "a" * 32,
        f"{number:016x}",
        None if parent is None else f"{parent:016x}",
        f"service-{number % 7}",
        f"operation {number % 31}",
        "SERVER" if number % 2 else "CLIENT",
        start,
        end,
    )


def wide(count: int = MANY) -> list[Span]:
    """One root and all others below it, one after the other."""
    step = MINUTE_NS // count
    return [span(0, None, 0, MINUTE_NS), *(span(n, 0, n * step, n * step + step // 2) for n in range(1, count))]


def deep(count: int = MANY) -> list[Span]:
    """Each below the one before."""
    return [span(n, n - 1 if n else None, n, 2 * MINUTE_NS - n) for n in range(count)]


def bushy(count: int = MANY) -> list[Span]:
    """Below each several, overlapping, as in a fan-out of services."""
    chance = random.Random(5)
    spans = [span(0, None, 0, MINUTE_NS)]
    for number in range(1, count):
        parent = spans[chance.randrange(max(0, len(spans) - 50), len(spans))]
        start = chance.randrange(parent.start_ns, parent.end_ns)
        spans.append(span(number, int(parent.span_id, 16), start, chance.randrange(start, parent.end_ns) + 1))
    return spans


def orphaned(count: int = MANY) -> list[Span]:
    """Every third span lost, its children with it no more."""
    return [one for number, one in enumerate(bushy(count)) if number % 3 != 1]


@pytest.mark.parametrize("shape", [wide, deep, bushy, orphaned])
def test_a_trace_of_23000_spans_adds_up(shape: Callable[[], list[Span]]) -> None:
    spans = shape()
    request, segments = account_trace("a", spans)
    assert sum(segment.duration_ns for segment in segments) == request.e2e_ns > 0
    assert ("missing_parents" in request.flags) == (shape is orphaned)
    assert account_trace("a", spans[::-1]) == (request, segments)
    rows = stage_table(request, segments, spans)
    assert sum(row.total_ns for row in rows) == request.e2e_ns
    assert len(tree_of("a", spans)) == len(spans)


def test_of_a_wide_trace_every_span_is_on_the_path() -> None:
    request, segments = account_trace("a", wide())
    assert len({segment.span_id for segment in segments}) == MANY
    assert request.flags == ("foreign",)


def test_many_traces_of_33_spans_add_up_and_lose_nothing_but_what_was_dropped() -> None:
    for seed in range(300):
        spans = [replace(one, trace_id=f"{seed:032x}") for one in bushy(33)]
        request, segments = account_trace(spans[0].trace_id, spans)
        assert sum(segment.duration_ns for segment in segments) == request.e2e_ns == MINUTE_NS
        assert all(segment.span_id for segment in segments), "a sound trace has no gaps"
        dropped = [one for number, one in enumerate(spans) if number != 1 + seed % 32]
        request, segments = account_trace(spans[0].trace_id, dropped)
        assert sum(segment.duration_ns for segment in segments) == request.e2e_ns == MINUTE_NS
        assert {segment.stage for segment in segments} == {Stage.UNATTRIBUTED}
