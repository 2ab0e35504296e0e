"""How plans are run: in parallel within bounds, below the deadline, and into one answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from opswire.chassis.errors import DeadlineError, OpswireError
from opswire.chassis.testing.recorded_spans import recorded_spans
from opswire.contracts.taxonomy import Effect
from opswire.executor.adapters import inventory
from opswire.executor.errors import (
    ApprovalRequiredError,
    ForwardingRefusedError,
    HostKeyMismatchError,
    HostUnreachableError,
    PlanChangedError,
    ToolError,
    ToolTimeoutError,
)
from opswire.executor.rules.automatic import AUTOMATIC, CHANGES
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult
from opswire.executor.usecases.plan import digest_of, make_plan
from opswire.executor.usecases.run import PARALLEL_MAX, run_plan, running_until
from opswire.executor.usecases.tables import make_answer

SECOND_NS = 1_000_000_000
STATUS = "ssh.host_status"


def soon(seconds: float = 20) -> int:
    return time.time_ns() + int(seconds * SECOND_NS)


def reachable(call: ToolCall) -> ToolResult:
    name = call.needed_asset().name
    return ToolResult(({"asset": name, "check": "ssh", "state": "reachable", "pid": None, "detail": ""},))


def tool_of(answers: Callable[[ToolCall], ToolResult]) -> Tool:
    async def tool(call: ToolCall) -> ToolResult:
        return answers(call)

    return tool


@pytest.fixture
def many(make_context, make_asset):
    def build(count: int):
        return make_context("status.check", "all up?", [make_asset(f"web-{number:02}") for number in range(count)])

    return build


async def test_steps_run_at_once_and_never_more_than_the_bound(many) -> None:
    running = 0
    most = 0
    full = asyncio.Event()

    async def tool(call: ToolCall) -> ToolResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == PARALLEL_MAX:
            full.set()
        await full.wait()
        running -= 1
        return reachable(call)

    context = many(20)
    answer = await run_plan(make_plan(context), context, {STATUS: tool}, soon())
    assert most == PARALLEL_MAX
    assert answer.summary.startswith("20 of 20 are well")
    assert [row[0] for row in answer.rows or []] == [asset.name for asset in context.assets]


async def test_one_failure_among_several_is_a_row(many) -> None:
    def answers(call: ToolCall) -> ToolResult:
        if call.needed_asset().name == "web-01":
            raise HostUnreachableError("web-01 could not be reached by ssh: connection refused")
        return reachable(call)

    context = many(3)
    answer = await run_plan(make_plan(context), context, {STATUS: tool_of(answers)}, soon())
    assert answer.columns == ["asset", "check", "state", "pid", "detail", "error"]
    rows = answer.rows or []
    assert rows[1][-1] == "host_unreachable: web-01 could not be reached by ssh: connection refused"
    assert "1 of 3 checks failed" in answer.summary


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([HostUnreachableError, HostUnreachableError], HostUnreachableError),
        ([HostKeyMismatchError, HostKeyMismatchError], HostKeyMismatchError),
        ([HostUnreachableError, HostKeyMismatchError], ToolError),
    ],
)
async def test_all_failing_is_the_error_that_they_share(many, errors: list[type[ToolError]], kind) -> None:
    waiting = list(errors)

    def answers(call: ToolCall) -> ToolResult:
        raise waiting.pop(0)(f"{call.needed_asset().name} is away")

    context = many(2)
    with pytest.raises(ToolError) as caught:
        await run_plan(make_plan(context), context, {STATUS: tool_of(answers)}, soon())
    assert type(caught.value) is kind
    assert str(caught.value) == "web-00 is away; web-01 is away"
    assert caught.value.answer is not None
    assert len(caught.value.answer.rows or []) == 2


async def test_a_step_ends_below_the_deadline_and_is_cancelled(many) -> None:
    cancelled = asyncio.Event()

    async def tool(call: ToolCall) -> ToolResult:
        if call.needed_asset().name == "web-00":
            return reachable(call)
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    context = many(2)
    answer = await run_plan(make_plan(context), context, {STATUS: tool}, soon(0.4))
    assert cancelled.is_set()
    assert str((answer.rows or [])[1][-1]).startswith("tool_timeout: ssh.host_status on web-01 was not done after")


@pytest.mark.parametrize(("left_s", "budget_s"), [(0.4, 0.36), (5, 4.5), (60, 59.5)])
async def test_steps_leave_time_to_say_what_they_found(left_s: float, budget_s: float) -> None:
    loop, now_ns = asyncio.get_running_loop(), time.time_ns()
    before_s = loop.time()
    running = running_until(now_ns + int(left_s * SECOND_NS), {}, lambda: now_ns)
    assert before_s + budget_s - 1e-6 <= running.ends_at <= loop.time() + budget_s + 1e-6


async def test_when_nothing_is_done_in_time_the_error_says_so(many) -> None:
    async def tool(call: ToolCall) -> ToolResult:
        return await asyncio.get_running_loop().create_future()

    context = many(12)
    with pytest.raises(ToolTimeoutError):
        await run_plan(make_plan(context), context, {STATUS: tool}, soon(0.3))


async def test_a_timeout_of_the_tool_itself_is_not_taken_for_ours(many) -> None:
    def answers(call: ToolCall) -> ToolResult:
        raise TimeoutError("a fault in a tool")

    context = many(1)
    with pytest.raises(TimeoutError, match="a fault in a tool"):
        await run_plan(make_plan(context), context, {STATUS: tool_of(answers)}, soon())


async def test_a_fault_or_a_cancellation_leaves_no_step_behind(many) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def tool(call: ToolCall) -> ToolResult:
        begun.set()
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    context = many(1)
    task = asyncio.create_task(run_plan(make_plan(context), context, {STATUS: tool}, soon()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_after_the_deadline_nothing_is_begun(many) -> None:
    called: list[ToolCall] = []

    def answers(call: ToolCall) -> ToolResult:
        called.append(call)
        return reachable(call)

    context = many(1)
    with pytest.raises(DeadlineError):
        await run_plan(make_plan(context), context, {STATUS: tool_of(answers)}, 5, clock_ns=lambda: 5)
    assert called == []


async def test_another_plan_than_the_hashed_one_is_not_run(many) -> None:
    context = many(2)
    plan = make_plan(context)
    tools = {STATUS: tool_of(reachable)}
    swapped = plan.model_copy(update={"steps": list(reversed(plan.steps))})
    other = many(2).model_copy(update={"request_id": "request-2"})
    older = context.assets[0].model_copy(update={"generation": 2})
    changed = context.model_copy(update={"assets": [older, context.assets[1]]})
    for a_plan, a_context in ((swapped, context), (plan, other), (plan, changed), (plan, many(1))):
        with pytest.raises(PlanChangedError):
            await run_plan(a_plan, a_context, tools, soon())


async def test_a_step_that_would_write_is_never_run(many) -> None:
    context = many(1)
    plan = make_plan(context)
    steps = [plan.steps[0].model_copy(update={"effect": Effect.WRITE})]
    plan = plan.model_copy(update={"steps": steps, "digest": digest_of(steps)})
    with pytest.raises(ApprovalRequiredError):
        await run_plan(plan, context, {STATUS: tool_of(reachable)}, soon())


async def test_an_unknown_tool_is_an_error_of_its_own(many) -> None:
    context = many(1)
    with pytest.raises(OpswireError, match=r"no tool ssh\.host_status"):
        await run_plan(make_plan(context), context, {}, soon())


def test_tables_stay_within_the_contract_and_say_what_they_leave_out() -> None:
    answer = make_answer("Lines.", [{"line": f"line {number}"} for number in range(700)])
    assert len(answer.rows or []) == 500
    assert answer.summary == "Lines. The table shows the first 500 of 700 rows."
    long = make_answer("Lines.", [{"line": "x" * 5_000} for _ in range(400)])
    assert 0 < len(long.rows or []) < 70
    assert "of 400 rows" in long.summary
    assert max(len(str(row[0])) for row in long.rows or []) == 2_000
    assert len(long.model_dump_json()) < 200_000


TABLE = {
    "inventory.list": inventory.list_assets,
    "inventory.count": inventory.count_assets,
    "inventory.get": inventory.get_assets,
    "system.help": inventory.describe_help,
}


async def test_lists_and_counts_come_from_the_context(make_context, make_asset) -> None:
    assets = [make_asset("web-01"), make_asset("web-02", environment="staging"), make_asset("db", "database")]
    context = make_context(
        "asset.list", assets=assets, entities=[("environment", "production")], selection="filtered", total=3
    )
    answer = await run_plan(make_plan(context), context, TABLE, soon())
    assert answer.summary == "3 assets match production: web-01, web-02 and db."
    assert (answer.columns or [])[:5] == ["name", "type", "environment", "address", "owner"]
    context = make_context("asset.count", assets=assets, selection="filtered")
    answer = await run_plan(make_plan(context), context, TABLE, soon())
    assert answer.summary == "3 assets match."
    assert answer.rows == [["production", "database", 1], ["production", "host", 1], ["staging", "host", 1]]
    context = make_context("asset.count", assets=assets, selection="filtered", total=812)
    answer = await run_plan(make_plan(context), context, TABLE, soon())
    assert answer.rows == [["all", "all", 812]]
    context = make_context("asset.list", selection="filtered")
    answer = await run_plan(make_plan(context), context, TABLE, soon())
    assert answer.summary == "No asset in the inventory matches."


async def test_an_entry_shows_no_reference_to_a_secret(make_context, make_asset) -> None:
    attributes = {"credential": "file:keys/x", "ssh_host_key": "ssh-ed25519 AAAA", "rack": "b7", "api_token": "t"}
    context = make_context("asset.get", assets=[make_asset("web-01", owner="team-web", attributes=attributes)])
    answer = await run_plan(make_plan(context), context, TABLE, soon())
    assert answer.summary == "web-01 is a host in production at 10.1.2.3, owned by team-web."
    properties = dict(answer.rows or [])  # type: ignore[arg-type]
    assert properties["rack"] == "b7"
    assert not {"credential", "ssh_host_key", "api_token"} & properties.keys()


async def test_help_lists_what_is_answered(make_context) -> None:
    context = make_context("system.help")
    answer = await run_plan(make_plan(context), context, TABLE, soon())
    assert len(answer.rows or []) == len(AUTOMATIC) + len(CHANGES)
    assert f"these {len(AUTOMATIC)} kinds of question" in answer.summary


async def test_every_step_has_a_span_of_its_own_in_the_stage_of_tools(many) -> None:
    def answers(call: ToolCall) -> ToolResult:
        if call.needed_asset().name == "web-01":
            raise HostUnreachableError("away")
        return reachable(call)

    context = many(2)
    with recorded_spans() as spans:
        await run_plan(make_plan(context), context, {STATUS: tool_of(answers)}, soon())
    found = [span for span in spans if span.name == f"tool {STATUS}"]
    assert {span.attributes["opswire.stage"] for span in found} == {"tool.run"}
    assert sorted((str(span.attributes["opswire.asset"]), span.status) for span in found) == [
        ("web-00", "UNSET"),
        ("web-01", "ERROR"),
    ]


async def test_what_is_seen_from_here_is_no_answer_for_another_source(make_context, make_asset) -> None:
    async def refused(call: ToolCall) -> ToolResult:
        raise ForwardingRefusedError("web-01 does not let us connect from it: open failed")

    async def seen(call: ToolCall) -> ToolResult:
        record = {"check": "tcp", "from": "executor", "to": "db-01", "port": 5432, "result": "open", "latency_ms": 1.0}
        return ToolResult((record,))

    context = make_context(
        "diagnose.connectivity",
        "can web-01 reach db-01 on 5432",
        [make_asset("web-01"), make_asset("db-01")],
        [("port", "5432")],
    )
    answer = await run_plan(make_plan(context), context, {"ssh.port_check": refused, "tcp.connect": seen}, soon())
    assert answer.summary == (
        "tcp from here to db-01 port 5432 is open (1.0 ms). 1 of 2 checks failed: "
        "web-01 does not let us connect from it: open failed."
    )
