"""Clocks of several hosts: moved as little as makes them fit, with an error bar; what no shift explains is nobody's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from opswire.ledger.account import account, account_trace
from opswire.ledger.model import Request, Segment, Span
from opswire.ledger.stages import Stage
from opswire.ledger.testing import MILLISECOND_NS, TraceBuilder, whole_request
from opswire.ledger.tree import tree_of
from opswire.ledger.walk import CLOCKS

KEY = "cli/r1"


def moved(spans: list[Span], service: str, milliseconds: float) -> list[Span]:
    """The service's spans as its own host recorded them, whose clock is that much ahead."""
    shift = round(milliseconds * MILLISECOND_NS)
    return [
        replace(s, clock_domain="there", start_ns=s.start_ns + shift, end_ns=s.end_ns + shift)
        if s.service == service
        else s
        for s in spans
    ]


def two_hosts() -> list[Span]:
    """A call to another host that takes 10 of 20 ms, in the middle."""
    trace = TraceBuilder()
    root = trace.add("GET /", "shop", 0, 20, kind="SERVER", stage="ingress")
    call = trace.add("call", "shop", 4, 16, root, kind="CLIENT", stage="executor.compute")
    trace.add("work", "stock", 5, 15, call, kind="SERVER", stage="tool.run")
    return [replace(span, request_key=None) for span in trace.spans]


def shown(request: Request, segments: list[Segment]) -> list[tuple[float, float, str]]:
    t0 = request.t0_ns
    return [((s.start_ns - t0) / MILLISECOND_NS, (s.end_ns - t0) / MILLISECOND_NS, s.stage.value) for s in segments]


TRUE = [
    (0, 4, "ingress"), (4, 5, "executor.compute"), (5, 15, "tool.run"), (15, 16, "executor.compute"),
    (16, 20, "ingress"),
]  # fmt: skip


@pytest.mark.parametrize("ahead_ms", [0, 0.9, -0.9])
def test_what_fits_is_not_moved(ahead_ms: float) -> None:
    request, segments = account_trace("a", moved(two_hosts(), "stock", ahead_ms))
    assert shown(request, segments)[2] == (5 + ahead_ms, 15 + ahead_ms, "tool.run")
    assert "skew" not in request.flags


@pytest.mark.parametrize("ahead_ms", [5, -5, 3_600_000, -3_600_000])
def test_a_clock_that_cannot_be_right_is_moved_to_the_middle_of_what_can(ahead_ms: float) -> None:
    request, segments = account_trace("a", moved(two_hosts(), "stock", ahead_ms))
    assert shown(request, segments) == TRUE
    assert "skew" in request.flags
    assert "skew_conflict" not in request.flags
    assert request.skew_bound_ns == MILLISECOND_NS, "half of the 2 ms that the call is longer than the work"
    assert request.unattributed_ns == 0


def test_the_tree_is_on_the_same_clock_as_the_segments() -> None:
    spans = moved(two_hosts(), "stock", 3_600_000)
    work = next(branch for branch in tree_of("a", spans) if branch.span.name == "work")
    assert work.end_ns - work.start_ns == 10 * MILLISECOND_NS
    assert work.start_ns == spans[0].start_ns + 5 * MILLISECOND_NS
    assert work.span.start_ns == spans[2].start_ns, "the span stays as recorded"


def test_injected_skew_of_a_service_on_the_bus_moves_no_time_between_stages_but_bus_wait() -> None:
    plain, _ = account(KEY, whole_request(TraceBuilder()))
    request, segments = account(KEY, moved(whole_request(TraceBuilder()), "assets", -500))
    assert request.e2e_ns == plain.e2e_ns == sum(segment.duration_ns for segment in segments)
    assert request.unattributed_ns == 0
    assert request.skew_bound_ns == 4 * MILLISECOND_NS
    times = {stage: sum(s.duration_ns for s in segments if s.stage is stage) for stage in Stage}
    assert times[Stage.ASSETS_DB] == 4 * MILLISECOND_NS
    assert times[Stage.TOOL_RUN] == 14.5 * MILLISECOND_NS


def test_a_message_on_the_way_bounds_a_clock_from_one_side_only() -> None:
    spans = [s for s in whole_request(TraceBuilder()) if s.service != "executor"]
    request, _ = account(KEY, moved(spans, "assets", -500))
    assert "skew" in request.flags
    assert request.skew_bound_ns is None, "nothing came back: how much later it was taken is unknown"


@pytest.mark.parametrize(("starts", "ends"), [(-3, 9), (11, 23)])
def test_what_no_shift_explains_is_clipped_and_the_clipped_time_is_nobodys(starts: float, ends: float) -> None:
    spans = two_hosts()
    spans = [s for s in spans if s.name != "call"]
    child = replace(spans[1], parent_id=spans[0].span_id, clock_domain="there")
    start = spans[0].start_ns
    stuck_out = replace(
        child, start_ns=start + round(starts * MILLISECOND_NS), end_ns=start + round(ends * MILLISECOND_NS)
    )
    # A sibling that would have to be moved the other way.
    end = start + (22 if starts < 0 else -2) * MILLISECOND_NS
    sibling = replace(child, span_id="d" * 16, start_ns=end - MILLISECOND_NS, end_ns=end)
    request, segments = account_trace("a", [spans[0], stuck_out, sibling])
    assert "skew_conflict" in request.flags
    assert request.skew_bound_ns is None
    assert request.e2e_ns == 20 * MILLISECOND_NS == sum(segment.duration_ns for segment in segments)
    clipped = [segment for segment in segments if segment.why == CLOCKS]
    assert sum(segment.duration_ns for segment in clipped) == 3 * MILLISECOND_NS
    assert all(segment.stage is Stage.UNATTRIBUTED for segment in clipped)


def test_three_hosts_in_a_row_are_brought_together() -> None:
    trace = TraceBuilder()
    first = trace.add("first", "one", 0, 40, kind="SERVER", stage="ingress")
    second = trace.add("second", "two", 10, 30, first, stage="assets.compute")
    trace.add("third", "three", 15, 25, second, stage="tool.run")
    spans = [replace(span, request_key=None, clock_domain=span.service) for span in trace.spans]
    ahead = {"one": 0, "two": 1_000, "three": -7_000}
    apart = [
        replace(
            s,
            start_ns=s.start_ns + ahead[s.service] * MILLISECOND_NS,
            end_ns=s.end_ns + ahead[s.service] * MILLISECOND_NS,
        )
        for s in spans
    ]
    request, segments = account_trace("a", apart)
    assert shown(request, segments) == shown(*account_trace("a", spans))
    assert account_trace("a", apart[::-1]) == (request, segments)
