"""No outcome says that nothing was begun where something was: what one executor tells, and another did or does.

Two executors about one request, stopped where one could tell what the other makes untrue; and one that comes after
another one, which began a step and died.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change, with_probe
from crash_worker import patiently
from opswire.chassis.service import Service
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.routes import APPROVAL_DECIDED, APPROVAL_REQUESTED, STEP_CLAIMED, STEP_FINISHED
from opswire.contracts.step_claimed import StepClaimed
from opswire.contracts.step_finished import StepFinished
from opswire.executor.errors import NoAutomaticPlanError
from opswire.executor.errors_of_changes import LockLostError
from opswire.executor.usecases.decide import decision
from opswire.executor.usecases.story import Key, Round


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


@pytest.fixture
def second(service: Service, tmp_path: Path, scene: Scene) -> Scene:
    """Another process on the same broker, whose tools count into the same list."""
    made = Scene(service, tmp_path / "two", keys=scene.seeds)
    made.plans, made.effects, made.modes.mode = scene.plans, scene.effects, "normal"
    return made


@pytest.fixture
async def key(scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]) -> Key:
    """A request that one person has approved."""
    web = make_asset("web-01", environment="staging")
    made = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    assert await scene.go_on(made) is None
    await scene.say(made, "sam")
    return made


def claiming(scene: Scene, *, before: bool) -> tuple[asyncio.Event, asyncio.Event]:
    """Stop it right before its claim is published, or right after: events for `it is there` and `let it go on`."""
    there, go_on = asyncio.Event(), asyncio.Event()
    journal: Any = scene.proceed.journal
    inner = journal.add

    async def add(key: Key, route: Any, *given: Any, **more: Any) -> Any:
        found = None if before and route is STEP_CLAIMED else await inner(key, route, *given, **more)
        if route is STEP_CLAIMED:
            there.set()
            await go_on.wait()
        return found or await inner(key, route, *given, **more)

    journal.add = add
    return there, go_on


async def told(scene: Scene, key: Key) -> RequestFinished:
    """The outcome that this executor tells, or finds told, as often as it has to begin anew."""
    outcome = await patiently(lambda: scene.go_on(key)) or (await scene.story(key)).finish
    assert outcome is not None
    return outcome


async def began_and_died(scene: Scene, key: Key) -> int:
    """An executor claimed the first step, and nobody will hear of it again. When, in nanoseconds since 1970."""
    now_ns = time.time_ns()
    claim = StepClaimed(
        request_id=key.request_id,
        number=1,
        run_id="0" * 32,
        executor="one/1",
        plan_digest="0" * 64,
        claimed_ns=now_ns,
        deadline_ns=now_ns + 1,
    )
    await scene.proceed.journal.add(key, STEP_CLAIMED, claim, number="1")
    return now_ns


async def test_it_is_told_as_cancelled_while_another_is_about_to_claim(scene: Scene, second: Scene, key: Key) -> None:
    there, go_on = claiming(scene, before=True)
    running = asyncio.create_task(scene.go_on(key))
    await there.wait()
    await scene.cancel(key)
    outcome = await told(second, key)
    assert (outcome.status, outcome.answer.summary) == ("cancelled", "It was cancelled before anything was changed.")
    go_on.set()
    stands = await running
    assert stands is not None
    assert stands.answer.summary == outcome.answer.summary
    assert scene.effects == [], "something was begun all the same"
    step = (await scene.story(key)).outcomes[1]
    assert (step.status, step.code, step.verification) == ("failed", "cancelled", None)


async def test_a_claim_that_was_first_is_waited_for_and_not_begun(scene: Scene, second: Scene, key: Key) -> None:
    there, go_on = claiming(scene, before=False)
    running = asyncio.create_task(scene.go_on(key))
    await there.wait()
    await scene.cancel(key)
    other = asyncio.create_task(told(second, key))
    go_on.set()
    for outcome in (await running, await other):
        assert outcome is not None
        assert (outcome.status, outcome.reason) == ("cancelled", "cancelled")
        assert "test.change on web-01 was not begun: It was cancelled" in outcome.answer.summary
    assert scene.effects == []


async def test_what_another_began_since_the_facts_were_read_is_not_told_as_refused(
    scene: Scene, second: Scene, key: Key
) -> None:
    before = await second.story(key)
    begun, go_on = scene.holding()
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    journal: Any = second.proceed.journal
    read, stale, anew = journal.read, [before], asyncio.Event()

    async def read_late(asked: Key) -> Any:
        if stale:
            return stale.pop()
        anew.set()
        return await read(asked)

    journal.read = read_late
    second.modes.mode = "read_only"
    other = asyncio.create_task(told(second, key))
    await anew.wait()  # by its own fault it would have told an outcome here, which is compared below
    go_on.set()
    outcome = await running
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])
    assert (await other).status == "completed"


async def test_a_run_whose_lock_was_taken_over_begins_nothing(scene: Scene, second: Scene, key: Key) -> None:
    there, go_on = claiming(scene, before=True)
    running = asyncio.create_task(patiently(lambda: scene.go_on(key)))
    await there.wait()
    second.modes.mode = "read_only"
    outcome = await told(second, key)
    assert (outcome.status, outcome.reason) == ("rejected", "mode_refuses")
    assert "was not begun" in outcome.answer.summary
    go_on.set()
    stands = await running
    assert stands is not None
    assert (stands.reason, scene.effects) == ("mode_refuses", [])
    assert (await scene.story(key)).outcomes[1].code == "claim_lapsed"


async def test_a_refusal_before_anything_was_locked_keeps_another_from_beginning(
    scene: Scene, second: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    there, go_on = claiming(scene, before=True)
    running = asyncio.create_task(patiently(lambda: scene.go_on(key)))
    await there.wait()
    second.modes.mode = "read_only"
    outcome = await told(second, key)
    assert (outcome.status, outcome.reason) == ("rejected", "mode_refuses")
    go_on.set()
    stands = await running
    assert stands is not None
    assert (stands.reason, scene.effects) == ("mode_refuses", [])


async def test_a_refusal_is_not_told_of_what_another_has_begun(
    scene: Scene, second: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    there, go_on = claiming(scene, before=True)
    begun, end = scene.holding()
    running = asyncio.create_task(scene.go_on(key))
    await there.wait()
    before = await second.story(key)
    go_on.set()
    await begun.wait()
    journal: Any = second.proceed.journal
    read, stale = journal.read, [before]

    async def read_late(asked: Key) -> Any:
        return stale.pop() if stale else await read(asked)

    journal.read = read_late
    second.modes.mode = "read_only"
    with pytest.raises(LockLostError, match="has begun step 1"):
        await second.go_on(key)
    end.set()
    outcome = await running
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])


async def test_what_was_done_before_another_took_the_asset_is_told_as_done(
    scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    box = make_asset("box", environment="development")
    steps = [change(1, box, "first"), change(2, box, "second", after=[1])]
    key = await scene.request(make_context("service.restart", assets=[box]), *steps, deadline_s=4)
    now_ns = await began_and_died(scene, key)
    done = StepFinished(
        request_id=key.request_id,
        number=1,
        run_id="0" * 32,
        status="succeeded",
        started_ns=now_ns,
        finished_ns=now_ns,
    )
    await scene.proceed.journal.add(key, STEP_FINISHED, done, number="1")
    other, until_ns = Key("test", "another"), now_ns + 60_000_000_000
    await scene.proceed.executor.locks.acquire([box.id], "1" * 32, other, 60_000_000_000, until_ns, until_ns)
    outcome = await told(scene, key)
    assert (outcome.status, outcome.reason) == ("failed", "asset_busy")
    assert outcome.answer.summary.startswith("1 of 2 changes done: test.change on box.")
    assert scene.effects == []


async def test_what_was_begun_under_a_round_is_settled_whatever_was_asked_since(scene: Scene, key: Key) -> None:
    granted = decision(await the_round(scene, key), "granted", time.time_ns(), ["sam"])
    await scene.proceed.journal.add(key, APPROVAL_DECIDED, granted, round="1")
    await began_and_died(scene, key)
    again = (await scene.asked(key)).model_copy(update={"round": 2, "nonce": "f" * 32, "expires_ns": time.time_ns()})
    await scene.proceed.journal.add(key, APPROVAL_REQUESTED, again, round="2")
    outcome = await told(scene, key)
    assert (outcome.status, outcome.reason, scene.effects) == ("needs_human", "outcome_unknown", [])


async def test_an_asset_that_changes_after_something_was_begun_asks_nobody_again(
    scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    web = make_asset("web-01", environment="staging")
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    web = await scene.change_asset(web)
    assert await scene.go_on(key) is None  # people are asked anew, of the asset as it is now
    await scene.say(key, "sam")
    granted = decision(await the_round(scene, key), "granted", time.time_ns(), ["sam"])
    await scene.proceed.journal.add(key, APPROVAL_DECIDED, granted, round="2")
    await began_and_died(scene, key)
    await scene.change_asset(web)
    outcome = await told(scene, key)
    assert (outcome.status, outcome.reason, scene.effects) == ("needs_human", "outcome_unknown", [])
    assert max((await scene.story(key)).rounds) == 2


async def test_a_plan_that_could_not_be_made_any_more_goes_on_where_it_was_begun(scene: Scene, key: Key) -> None:
    story = await scene.story(key)
    assert story.context is not None

    def cannot(_: ContextResolved) -> PlanMade:
        raise NoAutomaticPlanError("The catalogue has no such tool any more.")

    later = dataclasses.replace(scene.proceed, make_plan=cannot)
    assert await later.plan_of(key, story.context) == story.plan
    unknown = Key("test", "never-planned")
    with pytest.raises(NoAutomaticPlanError):
        await later.plan_of(unknown, story.context)


async def the_round(scene: Scene, key: Key) -> Round:
    found = (await scene.story(key)).round
    assert found is not None
    return found
