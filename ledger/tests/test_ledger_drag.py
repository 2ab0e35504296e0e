"""Drag: what a stage is worth, before a sibling takes over."""

from __future__ import annotations

from opswire.ledger.account import account
from opswire.ledger.model import StageRow
from opswire.ledger.stages import Stage
from opswire.ledger.table import stage_table
from opswire.ledger.testing import MILLISECOND_NS, TraceBuilder, broken_spans, whole_request

KEY = "cli/r1"


def rows_of(trace: TraceBuilder) -> dict[Stage, StageRow]:
    request, segments = account(KEY, trace.spans)
    return {row.stage: row for row in stage_table(request, segments, trace.spans)}


def test_a_stage_with_nothing_beside_it_is_worth_its_whole_time() -> None:
    trace = TraceBuilder()
    executor = trace.process("submitted", "executor", 0, 0, 100)
    trace.add("tool", "executor", 10, 60, executor, stage="tool.run")
    trace.send("finished", "executor", 99, 100, executor)
    rows = rows_of(trace)
    assert rows[Stage.TOOL_RUN].drag_ns == rows[Stage.TOOL_RUN].total_ns == 50 * MILLISECOND_NS


def test_a_sibling_beside_it_takes_over_where_it_ended() -> None:
    trace = TraceBuilder()
    whole_request(trace)
    rows = rows_of(trace)
    assert rows[Stage.TOOL_RUN].total_ns == 14.5 * MILLISECOND_NS
    assert rows[Stage.TOOL_RUN].drag_ns == 7 * MILLISECOND_NS, "http ran until 37, tcp beside it until 30"


def test_what_is_deeper_is_worth_no_more_than_what_it_lies_in() -> None:
    trace = TraceBuilder()
    executor = trace.process("submitted", "executor", 0, 0, 100)
    step = trace.add("step", "executor", 10, 90, executor, stage="executor.compute")
    trace.add("other step", "executor", 10, 85, executor, stage="policy")
    trace.add("query", "executor", 20, 80, step, "CLIENT", "assets.db")
    trace.send("finished", "executor", 95, 100, executor)
    rows = rows_of(trace)
    assert rows[Stage.ASSETS_DB].total_ns == 60 * MILLISECOND_NS
    assert rows[Stage.ASSETS_DB].drag_ns == 5 * MILLISECOND_NS, "the other step ended 5 ms before"


def test_waiting_in_the_bus_has_nothing_beside_it() -> None:
    trace = TraceBuilder()
    executor = trace.process("submitted", "executor", 0, 30, 40)
    trace.send("finished", "executor", 38, 40, executor)
    rows = rows_of(trace)
    assert rows[Stage.BUS_WAIT].drag_ns == 30 * MILLISECOND_NS


def test_it_is_never_more_than_the_stage_itself_whatever_was_recorded() -> None:
    for seed in range(1_000):
        spans = broken_spans(seed)
        request, segments = account(KEY, spans)
        for row in stage_table(request, segments, spans):
            assert 0 <= (row.drag_ns or 0) <= row.total_ns
