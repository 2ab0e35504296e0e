"""The stage table of one request."""

from __future__ import annotations

import pytest
from opswire.ledger.account import account
from opswire.ledger.stages import Stage
from opswire.ledger.table import stage_table
from opswire.ledger.testing import MILLISECOND_NS, TraceBuilder, whole_request


def test_it_adds_up_and_splits_by_service() -> None:
    spans = whole_request(TraceBuilder())
    request, segments = account("cli/r1", spans)
    rows = stage_table(request, segments, spans)
    assert sum(row.total_ns for row in rows) == request.e2e_ns == 40 * MILLISECOND_NS
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    wait = next(row for row in rows if row.stage is Stage.BUS_WAIT)
    assert wait.by_service == {"assets": 3_000_000, "executor": 3_000_000, "intent": 1_000_000}
    assert wait.count == 3
    assert [row.total_ns for row in rows] == sorted((row.total_ns for row in rows), reverse=True)


def test_what_ran_beside_the_path_is_shown_and_not_summed() -> None:
    spans = whole_request(TraceBuilder())
    request, segments = account("cli/r1", spans)
    rows = {row.stage: row for row in stage_table(request, segments, spans)}
    assert rows[Stage.TOOL_RUN].parallel_ns == 8 * MILLISECOND_NS
    assert rows[Stage.INTENT_COMPUTE].parallel_ns == 600_000, "settling runs beside the next service"
    assert rows[Stage.EXECUTOR_COMPUTE].parallel_ns == 0, "settling after the finish is outside the request"


def test_unattributed_stands_last_and_each_gap_counts() -> None:
    trace = TraceBuilder()
    executor = trace.process("submitted", "executor", 0, 1, 5)
    trace.send("finished", "executor", 80, 81, executor)
    request, segments = account("cli/r1", trace.spans)
    rows = stage_table(request, segments, trace.spans)
    assert (rows[-1].stage, rows[-1].total_ns, rows[-1].count) == (Stage.UNATTRIBUTED, 75 * MILLISECOND_NS, 1)


def test_an_empty_request_has_no_rows() -> None:
    request, segments = account("cli/r1", [])
    assert stage_table(request, segments) == []
