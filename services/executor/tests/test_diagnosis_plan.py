"""What is looked at where no model proposes it, how it is told, and what is offered next."""

from __future__ import annotations

import time

import pytest
from opswire.contracts.findings import AlertSummary
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.taxonomy import Effect
from opswire.executor.errors import HostUnreachableError, NoAutomaticPlanError
from opswire.executor.rules.tools import ToolCall, ToolResult, Tools
from opswire.executor.usecases.diagnose import ERROR_WORDS, STEPS_MAX
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan

TEXT = "why does checkout return 502"
SERVICE = {
    "unit": "checkout",
    "manager": "supervisor",
    "log_path": "/var/log/checkout.log",
    "port": "8080",
    "protocol": "http",
    "health_path": "/health",
}


def tools_of(plan: PlanMade) -> list[str]:
    return [step.tool for step in plan.steps]


@pytest.fixture
def scene(make_context, make_asset):
    """The context of a question about a service on a host that needs a database on another."""
    web, db = make_asset("web-01"), make_asset("db-01")
    orders = make_asset("orders-db@db-01", "database", parent="db-01", attributes={"unit": "orders-db", "port": "5432"})
    checkout = make_asset(
        "checkout@web-01", "service", parent="web-01", attributes=SERVICE | {"depends_on": "orders-db@db-01"}
    )
    return make_context("diagnose.issue", TEXT, [checkout], hosts=[web, db, orders])


def test_a_service_its_log_what_it_needs_and_its_host_are_looked_at_and_nothing_else(scene) -> None:
    plan = make_plan(scene)
    assert tools_of(plan) == ["ssh.unit_status", "http.check", "ssh.log_tail", "ssh.port_check", "ssh.host_load"]
    assert {step.effect for step in plan.steps} == {Effect.READ}
    assert {step.on_failure for step in plan.steps} == {"continue"}
    assert plan.steps[2].arguments["contains"] == "\n".join(["502", *ERROR_WORDS])
    assert plan.steps[3].arguments == {"target_asset_id": "orders_db_db_01", "port": 5432}
    assert make_plan(scene) == plan


def test_of_many_assets_each_gets_its_first_look_and_the_rest_is_said(make_context, make_asset) -> None:
    hosts = [make_asset(f"web-{number:02}") for number in range(1, 12)]
    plan = make_plan(make_context("diagnose.issue", "why are they slow", hosts))
    assert tools_of(plan) == ["ssh.host_status"] * STEPS_MAX
    assert len({step.asset_id for step in plan.steps}) == STEPS_MAX


@pytest.mark.parametrize("named", ["nothing", "a switch without an address"])
def test_what_cannot_be_looked_at_goes_to_a_person_with_its_alerts(named, make_context, make_asset) -> None:
    assets = [] if named == "nothing" else [make_asset("core", "switch", address=None)]
    alerts = [AlertSummary(name="HighLatency")]
    with pytest.raises(NoAutomaticPlanError) as caught:
        make_plan(make_context("diagnose.issue", assets=assets, alerts=alerts))
    assert caught.value.answer is not None
    assert caught.value.answer.rows == [["HighLatency", "firing", None, "", ""]]


async def answered(context, **found: object):
    """The answer where these tools find that, and every other one fails to reach its host."""

    def tool_for(name: str):
        async def tool(call: ToolCall) -> ToolResult:
            result = found.get(name.replace(".", "_"))
            if result is None:
                raise HostUnreachableError("web-01 was not reached")
            asset = call.asset.name if call.asset else None
            return ToolResult(tuple(row if "to" in row else {"asset": asset} | row for row in result))

        return tool

    plan = make_plan(context)
    tools: Tools = {name: tool_for(name) for name in tools_of(plan)}
    return await run_plan(plan, context, tools, time.time_ns() + 10**10)


DOWN = [{"check": "unit checkout", "state": "exited", "pid": None, "detail": ""}]
RUNS = [{"check": "unit checkout", "state": "running", "pid": 42, "detail": "up 2 h"}]
SICK = [{"check": "http", "from": "executor", "to": "checkout@web-01", "port": 8080, "result": "unhealthy"}]
AWAY = [{"check": "tcp", "from": "web-01", "to": "orders-db@db-01", "port": 5432, "result": "refused"}]
OPEN = [{"check": "tcp", "from": "web-01", "to": "orders-db@db-01", "port": 5432, "result": "open"}]


@pytest.mark.parametrize(
    ("found", "following"),
    [
        ({"ssh_unit_status": DOWN, "http_check": SICK}, "start checkout on web-01"),
        ({"ssh_unit_status": RUNS, "http_check": SICK, "ssh_port_check": AWAY}, "is orders-db on db-01 running"),
        ({"ssh_unit_status": RUNS, "http_check": SICK, "ssh_port_check": OPEN}, "restart checkout on web-01"),
        ({"ssh_unit_status": RUNS}, None),
    ],
    ids=["not running", "its database is away", "runs and answers badly", "nothing fails"],
)
async def test_the_answer_ends_with_words_for_a_request_of_its_own(scene, found, following: str | None) -> None:
    summary = (await answered(scene, **found)).summary
    if following is None:
        assert "Next:" not in summary
    else:
        assert summary.endswith(f'Next: opswire ask "{following}"')


async def test_a_check_passes_fails_or_is_unknown_and_unknown_is_said(scene) -> None:
    answer = await answered(scene, ssh_unit_status=RUNS, http_check=SICK, ssh_log_tail=[{"line": "ERROR 502"}])
    assert answer.columns == ["step", "tool", "asset", "verdict", "found"]
    assert [(row[0], row[3]) for row in answer.rows or []] == [
        (1, "pass"),
        (2, "fail"),
        (3, None),
        (4, "unknown"),
        (5, "unknown"),
    ]
    assert answer.summary.startswith("1 of 4 checks pass; fail: step 2 http.check of checkout@web-01, http unhealthy")
    assert "unknown: step 4 ssh.port_check of web-01, host_unreachable" in answer.summary
    assert '1 line of /var/log/checkout.log of checkout@web-01, the last "ERROR 502"' in answer.summary


async def test_a_diagnosis_in_which_nothing_could_be_looked_at_says_so_for_each_step(scene) -> None:
    answer = await answered(scene)
    assert answer.summary.startswith("0 of 5 checks pass; unknown: ")
    assert [row[3] for row in answer.rows or []] == ["unknown"] * 5


async def test_a_name_that_would_need_quoting_is_offered_to_nobody(make_context, make_asset) -> None:
    hostile = make_asset('x"; reboot #', "service", parent="web-01", attributes=SERVICE)
    context = make_context("diagnose.issue", TEXT, [hostile], hosts=[make_asset("web-01")])
    assert "Next:" not in (await answered(context, ssh_unit_status=DOWN)).summary
