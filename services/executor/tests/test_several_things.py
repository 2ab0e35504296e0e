"""A request for several things, from the proposal to the outcome, with people in between, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from change_scene import Scene, mark_now
from model_scene import client_of, plan_of, shop, step
from opswire.chassis.service import Service
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.contracts.types import FinishStatus
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Judgement, ToolCall, ToolResult, Verdict
from opswire.executor.usecases.propose import ProposeByModel

BOTH = "check the disk of web-01 and restart checkout"
PROPOSED = plan_of(step("ssh.host_load", "web-01", metrics="disk"), step("service.restart", "checkout@web-01", 1))


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(Answer(PROPOSED)) as running:
        yield running


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"

    async def look(call: ToolCall) -> ToolResult:
        made.effects.append(call.step.tool)
        disk = {"metric": "disk_used", "value": 71.0, "unit": "%", "detail": "/, 2.0 GB free of 7.0 GB"}
        return ToolResult(({"asset": call.needed_asset().name} | disk,))

    async def restart(call: ToolCall) -> ToolResult:
        made.effects.append(call.step.tool)
        return ToolResult(({"asset": call.needed_asset().name, "pid": 43},))

    async def verify(call: ToolCall) -> ToolResult:
        return ToolResult((), verdict=Verdict(Judgement.PASS, f"{call.text('unit')} runs with pid 43"))

    made.tools.update({"ssh.host_load": look, "service.restart": restart, "service.verify": verify})
    return made


async def test_people_approve_the_proposed_plan_and_exactly_that_is_run_and_told(
    model: ScriptedModel, scene: Scene
) -> None:
    context = shop("service.restart", BOTH)
    context = context.model_copy(update={"assets": context.assets[:1], "total": 1})
    key = await scene.request(context)
    context = (await scene.story(key)).context or context
    async with client_of(model) as client:
        propose = ProposeByModel(client, lambda: True, packaged_catalogue)
        scene.proceed = replace(scene.proceed, propose=propose)
        plan = await scene.proceed.plan_of(key, context)
        assert not scene.proceed.may_read_at_once(key, plan, context)
        assert await scene.go_on(key) is None
        assert (await scene.asked(key)).plan == plan == (await scene.story(key)).plan
        assert scene.effects == []
        await scene.say(key, "sam")
        outcome = await scene.proceed(key, mark_now)
    assert len(model.calls) == 1
    assert outcome is not None
    assert outcome.status is FinishStatus.COMPLETED
    assert scene.effects == ["ssh.host_load", "service.restart"]
    assert outcome.answer is not None
    assert "1 of 1 change done: service.restart on checkout@web-01." in outcome.answer.summary
    assert "web-01 has fullest disk 71.0 %." in outcome.answer.summary
    assert "Not done" not in outcome.answer.summary
    assert [row[:4] for row in outcome.answer.rows or []] == [
        [1, "ssh.host_load", "web-01", None],
        [2, "service.restart", "checkout@web-01", "succeeded"],
    ]


async def test_a_change_that_the_plan_does_not_hold_is_said_to_be_not_done(model: ScriptedModel, scene: Scene) -> None:
    model.always(Answer(plan_of(step("ssh.host_load", "web-01", metrics="disk"))))
    key = await scene.request(shop("service.restart", BOTH))
    async with client_of(model) as client:
        scene.proceed = replace(scene.proceed, propose=ProposeByModel(client, lambda: True, packaged_catalogue))
        outcome = await scene.go_on(key)
        if outcome is None:
            await scene.say(key, "sam")
            outcome = await scene.go_on(key)
    assert outcome is not None
    assert outcome.answer is not None
    assert "Not done: service.restart; ask for it in a request of its own." in outcome.answer.summary
    assert scene.effects == ["ssh.host_load"]
