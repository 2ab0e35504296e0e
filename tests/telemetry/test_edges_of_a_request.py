"""Telemetry is a contract: which span hangs under which, for one real request of each kind.

A missing edge means time that nobody can explain; an extra one means that something new is done and nobody was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab_scene import ALLOWED, SOURCE, TO_APPROVE, Scene, running_scene, whole_spans
from opswire.chassis.stages import Stage
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.routes import INTENT_RESOLVED
from opswire.ledger.account import account
from opswire.ledger.model import Span
from opswire.ledger.stages import Stage as LedgerStage
from opswire.ledger.store import create
from opswire.ledger.table import stage_table

INVENTORY = Path(__file__).parents[1] / "data" / "inventory.yaml"
R = "opswire.v1.{source}.{request_id}"
SUBMITTED, INTENT, CONTEXT = f"process {R}.submitted", f"process {R}.intent", f"process {R}.context"
GIVEN, CANCEL = f"process {R}.approval.{{round}}.given.{{approver}}", f"process {R}.cancel"
OVERDUE = "end overdue request"
TICK, TICKED = "send opswire.timers.v1.{due_s}.due", "process opswire.timers.v1.{due_s}.due"
RESTART, MODEL = "tool service.restart", "chat scripted"
Edges = set[tuple[str | None, str]]

INTENT_EDGES: Edges = {
    (None, SUBMITTED),
    (SUBMITTED, "cache lookup"),
    (SUBMITTED, f"send {R}.intent"),
    (SUBMITTED, "settle"),
}
TO_ASSETS: Edges = INTENT_EDGES | {(f"send {R}.intent", INTENT), (INTENT, "settle")}
TO_EXECUTOR: Edges = TO_ASSETS | {
    *((INTENT, f"send {R}.context"), (f"send {R}.context", CONTEXT)),
    (CONTEXT, "settle"),
}
WHOLE: Edges = TO_EXECUTOR | {(CONTEXT, f"send {R}.finished")}
BY_NAME: Edges = {(INTENT, "cache lookup"), (INTENT, "inventory by name")}
RECORDED: Edges = {(CONTEXT, "judge"), (CONTEXT, f"send {R}.plan")}
TARGETS: Edges = BY_NAME | {(INTENT, "inventory search")}
ASKED: Edges = TO_EXECUTOR | TARGETS | RECORDED | {
    *((CONTEXT, "read facts"), (CONTEXT, f"send {R}.approval.{{round}}.requested")),
}  # fmt: skip


def changed_under(taking: str) -> Edges:
    """What runs a change, under the span that took the message which let it begin."""
    return {
        *((taking, "read facts"), (taking, "lock assets"), (taking, RESTART), (taking, "free assets")),
        *((RESTART, "check at the point of use"), (RESTART, f"send {R}.step.{{number}}.claimed")),
        *((RESTART, "keep the high-water mark"), (RESTART, "probe service.verify")),
        *((RESTART, "invalidate caches"), (RESTART, f"send {R}.step.{{number}}.outcome")),
    }


def decided_under(span: str) -> Edges:
    """What ends a round of asking, under the span that ended it."""
    return {
        *((span, "read facts"), (span, "count approvals"), (span, "wait for approval")),
        *((span, f"send {R}.approval.{{round}}.decided"), (span, f"send {R}.finished")),
    }


Ask = Callable[[Scene, Upstream], Awaitable[str]]


@dataclass(frozen=True)
class Kind:
    """One kind of request: how it is made, how it ends, its edges, and stages that it must show."""

    ask: Ask
    status: str
    edges: Edges
    stages: frozenset[str] = frozenset()


def said(text: str) -> Ask:
    """A request in words that nobody has to do anything about."""

    async def ask(_: Scene, upstream: Upstream) -> str:
        return await upstream.submit(text)

    return ask


async def approved(scene: Scene, upstream: Upstream) -> str:
    return await scene.approved(upstream)


async def denied(scene: Scene, upstream: Upstream) -> str:
    request_id = await upstream.submit(TO_APPROVE)
    await scene.say(upstream, await scene.asked(upstream, request_id), "deny")
    return request_id


async def cancelled(scene: Scene, upstream: Upstream) -> str:
    request_id = await upstream.submit(TO_APPROVE)
    await scene.asked(upstream, request_id)
    await scene.cancel(upstream, request_id)
    return request_id


async def not_approved_in_time(scene: Scene, upstream: Upstream) -> str:
    scene.let_people_wait(1)
    request_id = await upstream.submit(TO_APPROVE)
    await upstream.outcome(request_id)
    scene.let_people_wait(600)
    return request_id


async def never_taken(scene: Scene, upstream: Upstream) -> str:
    """The assets service is away until its deadline is over."""
    scene.system.stop("assets")
    return await upstream.submit("what's the ip of web-02", deadline_ms=3_000)


async def delivered_again(scene: Scene, upstream: Upstream) -> str:
    """The assets service dies with the message in its hands, before it did anything about it."""
    durable = INTENT_RESOLVED.consumer_of("assets").durable
    scene.system.pause("assets")
    request_id = await upstream.submit("what's the ip of web-02")

    async def is_in_its_hands() -> bool:
        return bool((await upstream.client.jetstream().consumer_info("OPSWIRE_FACTS", durable)).num_ack_pending)

    await until_told(is_in_its_hands)
    scene.system.kill("assets")
    scene.system.launch("assets")
    return request_id


KINDS = {
    "answered at once": Kind(
        said("what can you do?"), "completed", WHOLE | {(CONTEXT, "tool system.help")}, frozenset({"publish.ack"})
    ),
    "rejected": Kind(said("book me a table for two"), "rejected", WHOLE | {(CONTEXT, "read facts")}),
    "read from the inventory": Kind(
        said("list all servers in production"),
        "completed",
        WHOLE | {(INTENT, "cache lookup"), (INTENT, "inventory search"), (CONTEXT, "tool inventory.list")},
        frozenset({"assets.db", "cache.lookup", "bus.wait", "intent.compute", "assets.compute", "executor.compute"}),
    ),
    "read by tools": Kind(
        said("is checkout running on web-01"),
        "completed",
        WHOLE | TARGETS | RECORDED | {(CONTEXT, "tool ssh.unit_status"), (CONTEXT, "tool http.check")},
        frozenset({"tool.run"}),
    ),
    "clarified": Kind(
        said("restart nothing-of-that-name on nowhere-77"),
        "needs_clarification",
        TO_ASSETS | BY_NAME | {(INTENT, "inventory near names"), (INTENT, f"send {R}.finished")},
    ),
    "asked of a model": Kind(
        said("erfrisch mir doch mal das Ding"),
        "needs_clarification",
        WHOLE | {(SUBMITTED, MODEL), (INTENT, "cache lookup"), (CONTEXT, "read facts")}
        | {(MODEL, part) for part in ("network", "queue", "prefill", "decode")},
        frozenset({"llm.network", "llm.queue", "llm.prefill", "llm.decode", "llm.frontend"}),
    ),
    "an allowed change": Kind(
        said(ALLOWED),
        "completed",
        WHOLE | TARGETS | RECORDED | changed_under(CONTEXT),
        frozenset({"policy", "tool.run", "executor.compute"}),
    ),
    "an approved change": Kind(
        approved,
        "completed",
        ASKED | {(None, GIVEN), (GIVEN, "settle")} | decided_under(GIVEN) | changed_under(GIVEN),
        frozenset({"policy", "tool.run"}),
    ),
    "a denied change": Kind(
        denied,
        "rejected",
        ASKED | {(None, GIVEN), (GIVEN, "settle"), (GIVEN, "lock assets")} | decided_under(GIVEN),
    ),
    "a cancelled change": Kind(
        cancelled,
        "cancelled",
        ASKED
        | {(None, CANCEL), (CANCEL, "settle"), (CANCEL, "read facts"), (CANCEL, "wait for approval")}
        | {(CANCEL, f"send {R}.finished")},
    ),
    "nobody approved in time": Kind(
        not_approved_in_time,
        "expired",
        ASKED | {(None, OVERDUE), (OVERDUE, "lock assets")} | decided_under(OVERDUE),
        frozenset({"approval.wait"}),
    ),
    "never taken": Kind(
        never_taken,
        "expired",
        INTENT_EDGES | {(None, OVERDUE), (OVERDUE, "read facts"), (OVERDUE, f"send {R}.finished")},
        frozenset({"bus.wait"}),
    ),
    "delivered again": Kind(
        delivered_again,
        "completed",
        WHOLE | BY_NAME | {(CONTEXT, "tool inventory.get")},
        frozenset({"queue.redelivery"}),
    ),
}  # fmt: skip
NEVER_SHOWN = {"ingress", "llm.unsplit", "unattributed"}
"""Nothing but the broker takes requests; a call that its server explains is split; and here everything is explained."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    # Without caches each request goes the whole way, whatever was asked before and however long ago.
    with running_scene(tmp_path_factory.mktemp("scene"), {"OPSWIRE_CACHE": "off"}) as running:
        yield running


@pytest.fixture(scope="module")
def recorded(scene: Scene) -> dict[str, tuple[str, str, list[Span]]]:
    """Each kind's key, status and spans, asked one after the other."""

    async def ask_all() -> dict[str, tuple[str, str, list[Span]]]:
        found = {}
        async with Upstream(scene.system.nats.url) as upstream:
            for name, kind in KINDS.items():
                scene.system.launch("assets")  # where the kind before left it ended
                scene.system.wait_ready("assets")
                request_id = await kind.ask(scene, upstream)
                outcome = await upstream.outcome(request_id, 60)
                found[name] = (f"{SOURCE}/{request_id}", outcome["status"], await scene.spans(request_id))
        return found

    return asyncio.run(ask_all())


def edges_of(spans: list[Span]) -> Edges:
    names = {span.span_id: span.name for span in spans}
    edges = {(names.get(span.parent_id or ""), span.name) for span in spans}
    # One request in a second schedules the broker's tick for all; whether it was this one is chance.
    return {edge for edge in edges if TICK not in edge and TICKED not in edge}


@pytest.mark.parametrize("name", KINDS)
def test_every_edge_of_a_request_is_there_and_no_other(
    recorded: dict[str, tuple[str, str, list[Span]]], name: str
) -> None:
    _, status, spans = recorded[name]
    assert status == KINDS[name].status
    assert edges_of(spans) == KINDS[name].edges


@pytest.mark.parametrize("name", KINDS)
def test_the_stages_of_a_request_add_up_and_nothing_is_unexplained(
    recorded: dict[str, tuple[str, str, list[Span]]], name: str
) -> None:
    key, status, spans = recorded[name]
    assert {span.attributes["opswire.stage"] for span in spans} <= {stage.value for stage in Stage}
    assert all("opswire.event_loop.lag_ms" in span.attributes for span in spans if span.kind == "CONSUMER")
    request, segments = account(key, spans)
    assert (request.outcome, "no_finish" in request.flags) == (status, False)
    assert request.e2e_ns > 0
    assert sum(row.total_ns for row in stage_table(request, segments, spans)) == request.e2e_ns
    lost = [(s.why, s.end_ns - s.start_ns) for s in segments if s.stage is LedgerStage.UNATTRIBUTED]
    assert sum(ns for _, ns in lost) < 0.01 * request.e2e_ns, lost
    assert {segment.stage.value for segment in segments} >= KINDS[name].stages


@pytest.fixture(scope="module")
def with_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("cached")) as running:
        create(running.directory / "traces.sqlite3")
        running.import_inventory(INVENTORY.read_text())
        yield running


async def test_what_the_caches_know_is_asked_of_nobody(with_caches: System) -> None:
    """A hit in memory is an attribute of the span that asked. Without a lease for a moment it is asked again."""
    store = with_caches.directory / "traces.sqlite3"
    known: Edges = WHOLE - {(SUBMITTED, "cache lookup")} | {(CONTEXT, "tool inventory.get")}
    found: list[Edges] = []
    async with Upstream(with_caches.nats.url) as upstream:
        while known not in found:
            assert len(found) < 20, found
            request_id = await upstream.submit("what's the ip of db-01")
            await upstream.outcome(request_id)
            spans = await whole_spans(store, request_id)
            found.append(edges_of(spans))
    assert found[0] == known | {(SUBMITTED, "cache lookup")} | BY_NAME
    taken = {span.name: span.attributes for span in spans if span.kind == "CONSUMER"}
    assert taken[SUBMITTED]["opswire.cache.intent"] == taken[INTENT]["opswire.cache.context"] == "memory"


def test_every_stage_of_the_closed_list_was_shown_by_some_kind(
    recorded: dict[str, tuple[str, str, list[Span]]],
) -> None:
    shown: dict[str, list[str]] = {stage.value: [] for stage in Stage}
    for name, (key, _, spans) in recorded.items():
        for stage in {segment.stage.value for segment in account(key, spans)[1]}:
            shown[stage].append(name)
    assert {stage for stage, names in shown.items() if not names} <= NEVER_SHOWN, shown
