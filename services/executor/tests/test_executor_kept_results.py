"""Tool results that are kept: what may be, for how long, what puts them out of date, and how an answer says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import CHANGE, Scene, change, raising
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.errors import RetryableError
from opswire.chassis.service import Service
from opswire.contracts.caches_invalidated.tags import asset_tag
from opswire.contracts.taxonomy import Effect
from opswire.executor.adapters.invalidations import AcknowledgedInvalidations
from opswire.executor.adapters.result_codec import ResultCodec
from opswire.executor.errors import HostUnreachableError
from opswire.executor.rules.caching import is_failure, key_of, tags_of, ttl_of
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult
from opswire.executor.usecases.kept_results import Kept, KeptResults
from opswire.executor.usecases.plan import digest_of, make_plan
from opswire.executor.usecases.run import run_plan
from opswire.executor.usecases.touched import invalidate_touched, touched_tags

LOAD = "ssh.host_load"


def soon(seconds: float = 20) -> int:
    return time.time_ns() + int(seconds * 1e9)


class Counting:
    """A tool that counts, and answers with the count; it fails when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, call: ToolCall) -> ToolResult:
        self.calls += 1
        number = self.calls
        self.begun.set()
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        name = call.needed_asset().name
        record = {"asset": name, "metric": "load_1m", "value": float(number), "unit": "", "detail": ""}
        return ToolResult((record,))


@pytest.fixture
def asking(kept: KeptResults, make_context, make_asset) -> Callable:
    async def ask(tool: Tool, *names: str, fresh: bool = False, seconds: float = 20) -> Any:
        context = make_context("metrics.query", "load", [make_asset(name) for name in names or ("web-01",)])
        return await run_plan(make_plan(context), context, {LOAD: tool}, soon(seconds), kept=kept, fresh=fresh)

    return ask


async def test_what_was_found_a_moment_ago_answers_and_says_so(asking) -> None:
    tool = Counting()
    first, second = await asking(tool), await asking(tool)
    assert tool.calls == 1
    assert first.rows == second.rows
    assert "cache" not in first.summary
    assert second.summary == f"{first.summary} This is from the cache, under 1 s old; --fresh asks anew."


async def test_among_several_the_answer_says_how_many_are_kept(asking) -> None:
    tool = Counting()
    await asking(tool, "web-01")
    answer = await asking(tool, "web-01", "web-02")
    assert tool.calls == 2
    assert answer.summary.endswith("1 of 2 checks are from the cache, under 1 s old; --fresh asks anew.")


async def test_the_age_is_told_in_seconds(kept: KeptResults, make_context, make_asset) -> None:
    now = [time.time_ns()]
    aged = KeptResults(kept._cache, "v", lambda: now[0])
    context, tool = make_context("metrics.query", "load", [make_asset("web-01")]), Counting()
    for _ in range(2):
        answer = await run_plan(make_plan(context), context, {LOAD: tool}, soon(), kept=aged)
        now[0] += 3_400_000_000
    assert answer.summary.endswith("This is from the cache, 3 s old; --fresh asks anew.")


async def test_a_wish_for_fresh_results_runs_the_tool_and_the_next_gets_what_it_found(asking) -> None:
    tool = Counting()
    await asking(tool)
    fresh, after = await asking(tool, fresh=True), await asking(tool)
    assert tool.calls == 2
    assert [row[2] for row in (fresh.rows[0], after.rows[0])] == [2.0, 2.0]
    assert "cache" not in fresh.summary


async def test_errors_are_never_kept(asking) -> None:
    tool = Counting()
    tool.error = HostUnreachableError("away")
    for _ in range(2):
        with pytest.raises(HostUnreachableError):
            await asking(tool)
    tool.error = None
    assert "cache" not in (await asking(tool)).summary
    assert tool.calls == 3


async def test_those_who_ask_together_run_the_tool_once(asking) -> None:
    tool = Counting()
    tool.may_end.clear()
    first = asyncio.create_task(asking(tool))
    await tool.begun.wait()
    others = [asyncio.create_task(asking(tool)) for _ in range(5)]
    await asyncio.sleep(0)
    tool.may_end.set()
    answers = await asyncio.gather(first, *others)
    assert tool.calls == 1
    assert len({str(answer.rows) for answer in answers}) == 1


async def test_whose_leader_runs_out_of_time_asks_for_itself(asking) -> None:
    tool = Counting()
    tool.may_end.clear()
    hasty = asyncio.create_task(asking(tool, seconds=0.3))
    await tool.begun.wait()
    patient = asyncio.create_task(asking(tool))
    with pytest.raises(Exception, match="was not done after"):
        await hasty
    tool.may_end.set()
    assert (await patient).rows[0][2] == 2.0


@pytest.mark.parametrize("changed", ["generation", "arguments", "version", "asset"])
def test_a_key_holds_all_that_the_result_depends_on(changed: str, make_context, make_asset) -> None:
    def call(generation: int = 1, metrics: str = "load", name: str = "web-01") -> ToolCall:
        asset = make_asset(name, generation=generation)
        context = make_context("metrics.query", "load", [asset])
        step = make_plan(context).steps[0].model_copy(update={"arguments": {"metrics": metrics}})
        return ToolCall(step, context, asset, asset)

    other = {
        "generation": lambda: key_of(call(generation=2), "v"),
        "arguments": lambda: key_of(call(metrics="disk"), "v"),
        "version": lambda: key_of(call(), "w"),
        "asset": lambda: key_of(call(name="web-02"), "v"),
    }[changed]
    assert key_of(call(), "v") == key_of(call(), "v") != other()


def test_what_asks_for_now_is_never_kept() -> None:
    kept = {entry.name for entry in packaged_catalogue() if entry.caching.ttl_s > 0}
    assert kept == {LOAD, "tls.inspect", "dns.resolve", "prometheus.query", "prometheus.target_up"}


@pytest.mark.parametrize("effect", [Effect.WRITE, Effect.DESTROY])
async def test_a_step_that_changes_something_is_never_kept(
    effect: Effect, kept: KeptResults, make_context, make_asset
) -> None:
    asset = make_asset("web-01")
    context = make_context("metrics.query", "load", [asset])
    step = make_plan(context).steps[0].model_copy(update={"effect": effect})
    call, tool = ToolCall(step, context, asset, asset), Counting()
    assert ttl_of(call) == 0
    for _ in range(2):
        found = await kept.run(tool, call, fresh=False)
        assert (found.outcome, found.age_s) == ("uncacheable", None)
    assert tool.calls == 2


def changing(plan: Any) -> Any:
    """The plan as one that would restart what it looks at."""
    steps = [step.model_copy(update={"effect": Effect.WRITE}) for step in plan.steps]
    return plan.model_copy(update={"steps": steps, "digest": digest_of(steps)})


async def test_what_a_step_touched_is_out_of_date_before_its_outcome_is_known(
    service: Service, kept: KeptResults, asking, make_context, make_asset
) -> None:
    tool = Counting()
    for name in ("web-01", "web-02"):
        await asking(tool, name)
    invalidator = Invalidator(service.bus, service.log)
    await invalidator.start()
    checkout = make_asset("checkout", "service", parent="web-01")
    context = make_context("status.check", "restart it", [checkout], hosts=[make_asset("web-01")])
    plan = make_plan(
        context.model_copy(update={"assets": [checkout.model_copy(update={"attributes": {"unit": "checkout"}})]})
    )
    invalidations = AcknowledgedInvalidations(invalidator)
    await invalidate_touched(plan.steps, context, invalidations)  # it only looks: nothing is put out of date
    assert (await asking(tool, "web-01")).rows[0][2] == 1.0
    await invalidate_touched(changing(plan).steps, context, invalidations)
    assert (await asking(tool, "web-01")).rows[0][2] == 3.0  # the host of what was touched
    assert (await asking(tool, "web-02")).rows[0][2] == 2.0


def test_a_step_touches_its_asset_its_host_and_its_target(make_context, make_asset) -> None:
    checkout = make_asset("checkout", "service", parent="web-01", attributes={"unit": "checkout"})
    context = make_context("status.check", "restart", [checkout], hosts=[make_asset("web-01")])
    plan = make_plan(context)
    assert touched_tags(plan.steps, context) == []
    assert touched_tags(changing(plan).steps, context) == [asset_tag("checkout"), asset_tag("web_01")]


def test_tags_name_the_tool_the_assets_and_the_name(make_context, make_asset) -> None:
    context = make_context("diagnose.connectivity", "does a.example resolve", [], [("host", "a.example.test")])
    call = ToolCall(make_plan(context).steps[0], context)
    assert tags_of(call) == ["tool:dns.resolve", "name:a.example.test"]


@pytest.mark.parametrize(
    ("result", "is_kept_short"), [("verified", False), ("resolved", False), ("no answer", True), ("no such name", True)]
)
def test_what_does_not_answer_is_kept_only_for_those_who_ask_together(result: str, is_kept_short: bool) -> None:
    assert is_failure(ToolResult(({"check": "tls", "result": result},))) is is_kept_short


def test_a_result_is_written_and_read_and_foreign_bytes_are_refused() -> None:
    codec = ResultCodec()
    value = Kept(ToolResult(({"b": 1, "a": None, "c": 2.5, "d": True, "e": "x"},), "a note"), 17)
    assert codec.decode(codec.encode(value)) == value
    assert list(codec.decode(codec.encode(value)).result.records[0]) == ["b", "a", "c", "d", "e"]
    for data in (b"", b"[]", b"{}", b'["1","",[]]', b"[1,2,[]]", b'[1,"",{}]', b'[1,"",[1]]', b'[1,"",[{"a":[]}]]'):
        with pytest.raises(ValueError, match=r".*"):
            codec.decode(data)


@pytest.mark.parametrize("fails", [False, True])
async def test_no_outcome_of_a_change_is_published_before_caches_have_forgotten(
    fails: bool, service: Service, tmp_path: Path, make_context, make_asset
) -> None:
    scene = Scene(service, tmp_path / "one")
    scene.modes.mode = "normal"
    box = make_asset("box", environment="development")
    if fails:
        scene.tools[CHANGE] = raising(HostUnreachableError("broke off in the middle"))
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    was_told: list[bool] = []

    async def away(tags: list[str], cause: str) -> None:
        was_told.append(await scene.proceed.journal.outcome(key, 1) is not None)
        raise RetryableError(f"the broker is away: {tags}, {cause}")

    scene.invalidated.invalidate = away  # type: ignore[method-assign]
    with pytest.raises(RetryableError):  # the message comes again; nobody was told
        await scene.go_on(key)
    story = await scene.story(key)
    assert was_told == [False]
    assert (set(story.claims), story.outcomes, story.finish) == ({1}, {}, None)
