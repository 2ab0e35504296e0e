"""Telemetry is a contract: which span hangs under which, for one real request of each kind.

A missing edge means time that nobody can explain; an extra one means that something new is done and nobody was told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opswire.chassis.stages import Stage
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.ledger.account import account
from opswire.ledger.model import Span
from opswire.ledger.stages import Stage as LedgerStage
from opswire.ledger.store import create, read_request
from opswire.ledger.table import stage_table

R = "opswire.v1.{source}.{request_id}"
SUBMITTED, INTENT, CONTEXT = f"process {R}.submitted", f"process {R}.intent", f"process {R}.context"
TICK = "send opswire.timers.v1.{due_s}.due"
SPANS_TIMEOUT_S = 15

INTENT_EDGES = {
    (None, SUBMITTED),
    (SUBMITTED, "cache lookup"),
    (SUBMITTED, f"send {R}.intent"),
    (SUBMITTED, "settle"),
    (f"send {R}.intent", INTENT),
}
ASSETS_EDGES = {(INTENT, f"send {R}.context"), (INTENT, "settle"), (f"send {R}.context", CONTEXT)}
EXECUTOR_EDGES = {(CONTEXT, f"send {R}.finished"), (CONTEXT, "settle")}
WHOLE = INTENT_EDGES | ASSETS_EDGES | EXECUTOR_EDGES

KINDS = {
    "what can you do?": ("completed", WHOLE | {(CONTEXT, "tool system.help")}),
    "book me a table for two": ("rejected", WHOLE),
    "list all servers in production": (
        "completed",
        WHOLE | {(INTENT, "cache lookup"), (INTENT, "inventory search"), (CONTEXT, "tool inventory.list")},
    ),
    "what's the ip of web-01": (
        "completed",
        WHOLE | {(INTENT, "cache lookup"), (INTENT, "inventory by name"), (CONTEXT, "tool inventory.get")},
    ),
    "restart nothing-of-that-name on nowhere-77": (
        "needs_clarification",
        INTENT_EDGES
        | {
            (INTENT, "cache lookup"),
            (INTENT, "inventory by name"),
            (INTENT, "inventory near names"),
            (INTENT, f"send {R}.finished"),
            (INTENT, "settle"),
        },
    ),
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system")) as running:
        create(running.directory / "traces.sqlite3")
        running.import_inventory((Path(__file__).parents[1] / "data" / "inventory.yaml").read_text())
        yield running


async def settled_spans(system: System, key: str) -> list[Span]:
    """The spans of a request once all processes have handed theirs over: no parent is missing, each taking settled."""
    give_up = time.monotonic() + SPANS_TIMEOUT_S
    while time.monotonic() < give_up:
        spans = read_request(system.directory / "traces.sqlite3", key)
        known = {span.span_id for span in spans} | {None}
        taken = sum(span.kind == "CONSUMER" for span in spans)
        settled = sum(span.name == "settle" for span in spans)
        finished = any(span.name.endswith(".finished") for span in spans)
        if finished and taken == settled and all(span.parent_id in known for span in spans):
            return spans
        await asyncio.sleep(0.05)
    raise TimeoutError(f"the spans of {key} are not complete after {SPANS_TIMEOUT_S} s")


@pytest.mark.parametrize("text", KINDS)
async def test_every_edge_of_a_request_is_there_and_no_other(system: System, text: str) -> None:
    wanted_status, wanted_edges = KINDS[text]
    async with Upstream(system.nats.url) as upstream:
        request_id = await upstream.submit(text)
        outcome = await upstream.outcome(request_id)
    assert outcome["status"] == wanted_status
    spans = await settled_spans(system, f"test/{request_id}")
    names = {span.span_id: span.name for span in spans}
    edges = {(names.get(span.parent_id or ""), span.name) for span in spans}
    # One request in a second schedules the broker's tick for all; whether it was this one is chance.
    assert {edge for edge in edges if edge[1] != TICK} == wanted_edges


@pytest.mark.parametrize("text", KINDS)
async def test_the_stages_of_a_request_add_up_and_nothing_is_unexplained(system: System, text: str) -> None:
    async with Upstream(system.nats.url) as upstream:
        request_id = await upstream.submit(text)
        outcome = await upstream.outcome(request_id)
    spans = await settled_spans(system, f"test/{request_id}")
    assert {span.attributes["opswire.stage"] for span in spans} <= {stage.value for stage in Stage}
    assert all("opswire.event_loop.lag_ms" in span.attributes for span in spans if span.kind == "CONSUMER")
    request, segments = account(f"test/{request_id}", spans)
    assert request.outcome == outcome["status"]
    assert request.e2e_ns > 0
    assert sum(row.total_ns for row in stage_table(request, segments, spans)) == request.e2e_ns
    lost_ns = sum(s.end_ns - s.start_ns for s in segments if s.stage is LedgerStage.UNATTRIBUTED)
    assert lost_ns < 0.05 * request.e2e_ns
    # The outcome's own account is made before it is sent, so it is shorter than the trace's by that last send.
    assert 0 < outcome["timings"]["total"] * 1e6 <= request.e2e_ns
