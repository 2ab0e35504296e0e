"""What stops executors stops them at every place: between check and beginning, and in the middle of a plan of looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.contracts.routes import STEP_CLAIMED
from opswire.executor.adapters.modes import NORMAL, READ_ONLY, STOPPED, Modes
from opswire.executor.adapters.reading_tools import ReadingTools
from opswire.executor.errors import ToolError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.people import People
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import PARALLEL_MAX, run_plan


@pytest.mark.parametrize("mode", [READ_ONLY, STOPPED])
async def test_a_mode_that_comes_while_the_claim_is_on_its_way_begins_nothing(
    service: Service, tmp_path: Path, make_context: Callable[..., Any], make_asset: Callable[..., Asset], mode: str
) -> None:
    scene = Scene(service, tmp_path / "one")
    scene.modes.mode = NORMAL
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    journal: Any = scene.proceed.journal
    inner = journal.add

    async def add(asked: Any, route: Any, *given: Any, **more: Any) -> Any:
        if route is STEP_CLAIMED:
            scene.modes.set(mode, "an incident")
        return await inner(asked, route, *given, **more)

    journal.add = add
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert scene.effects == []
    assert outcome.status != "completed"
    assert "test.change on box was not begun" in outcome.answer.summary


class Looks:
    """Tools that look, and wait until they are told to go on."""

    def __init__(self) -> None:
        self.begun, self.ended, self.go_on, self.some = 0, 0, asyncio.Event(), asyncio.Event()

    async def look(self, call: ToolCall) -> ToolResult:
        self.begun += 1
        if self.begun == PARALLEL_MAX:
            self.some.set()
        try:
            await self.go_on.wait()
        finally:
            self.ended += 1
        return ToolResult(
            ({"asset": call.needed_asset().name, "check": "http", "state": "running", "result": "healthy"},)
        )


async def test_looks_that_run_are_ended_and_no_other_is_begun(
    make_context: Callable[..., Any], make_asset: Any
) -> None:
    modes, looks = Modes(lambda: People()), Looks()
    modes.set(NORMAL, "")
    attributes = {"protocol": "http", "port": "80", "health_path": "/"}
    assets = [make_asset(f"shop-{number}", "service", attributes=attributes) for number in range(20)]
    context = make_context("status.check", "are the shops up", assets)
    plan = make_plan(context)
    table: dict[str, Tool] = {step.tool: looks.look for step in plan.steps}
    tools = ReadingTools(table, packaged_catalogue, modes)
    assert len(plan.steps) == 20
    running = asyncio.create_task(run_plan(plan, context, tools, time.time_ns() + 600_000_000_000))
    await looks.some.wait()
    modes.set(STOPPED, "an incident")
    with pytest.raises(ToolError, match="stopped: an incident"):
        await running
    assert (looks.begun, looks.ended) == (PARALLEL_MAX, PARALLEL_MAX)
    modes.set(READ_ONLY, "it is over")
    looks.go_on.set()
    answer = await run_plan(plan, context, tools, time.time_ns() + 600_000_000_000)
    assert len(answer.rows or []) == 20
