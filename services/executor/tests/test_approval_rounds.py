"""Rounds of asking people, on a real broker: granted, denied, void and asked again, expired; each decided once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from change_scene import Scene, change, mark_now
from opswire.chassis.service import Service
from opswire.chassis.testing.recorded_spans import recorded_spans
from opswire.chassis.testing.waiting import until
from opswire.contracts.findings import Asset
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.overdue_ender import OverdueEnder


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


@pytest.fixture
def web(make_asset: Callable[..., Asset]) -> Asset:
    return make_asset("web-01", environment="staging")


async def decision(scene: Scene, key, number: int = 1):
    decided = (await scene.story(key)).rounds[number].decided
    return None if decided is None else (decided.outcome, decided.people)


async def test_two_people_are_two_people(scene: Scene, make_context, web, service: Service, tmp_path: Path) -> None:
    scene = Scene(service, tmp_path / "two", people=2)
    scene.modes.mode = "normal"
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")
    assert await scene.go_on(key) is None
    assert (await decision(scene, key), scene.effects) == (None, [])
    await scene.say(key, "kim")
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, await decision(scene, key)) == ("completed", ("granted", ["sam", "kim"]))


async def test_who_asks_does_not_approve(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    await scene.say(key, "dana")  # the requester of every context here
    assert await scene.go_on(key) is None
    assert (await decision(scene, key), scene.effects) == (None, [])


async def test_one_no_is_enough(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    await scene.say(key, "kim", "deny", note="not before Monday")
    await scene.say(key, "sam")
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("rejected", "approval_denied", [])
    assert outcome.answer.summary == 'It was not approved: kim said no, with the note "not before Monday".'


@pytest.mark.parametrize(
    "changed",
    [{"signature": "A" * 85 + "Q=="}, {"decision": "approve"}, {"nonce": "00" * 16}, {"plan_digest": "0" * 64}],
)
async def test_a_word_that_was_changed_after_it_was_signed_does_not_count(
    scene: Scene, make_context, web, changed: dict[str, str]
) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    await scene.say(key, "sam", "deny" if "decision" in changed else "approve", **changed)
    assert await scene.go_on(key) is None
    assert (await decision(scene, key), scene.effects) == (None, [])


@pytest.mark.parametrize("said_first", [True, False])
async def test_an_asset_that_changes_makes_the_approval_void_and_people_are_asked_again(
    scene: Scene, make_context, web, said_first: bool
) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    if said_first:
        await scene.say(key, "sam")
    await scene.change_asset(web, address="10.9.9.9")
    if not said_first:
        await scene.say(key, "sam")
    assert await scene.go_on(key) is None
    assert (await decision(scene, key), scene.effects) == (("void", []), [])
    again = await scene.asked(key)
    assert (again.round, again.targets[0].address, again.targets[0].generation) == (2, "10.9.9.9", 2)
    assert again.plan.steps[0].asset_generation == 2
    await scene.say(key, "sam")
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])


async def test_an_asset_that_changes_between_decision_and_begin_is_noticed(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")
    acquire = scene.proceed.executor.locks.acquire

    class Changing:
        """The asset changes while its lock is waited for."""

        async def acquire(self, *given):
            await scene.change_asset(web, owner="team-night")
            return await acquire(*given)

        release = scene.proceed.executor.locks.release
        is_held = scene.proceed.executor.locks.is_held

    object.__setattr__(scene.proceed.executor, "locks", Changing())
    assert await scene.go_on(key) is None
    assert scene.effects == []
    assert (await scene.asked(key)).round == 2


async def test_a_policy_that_asks_for_more_since_makes_it_void(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    scene.policy_file.write_text(scene.policy_file.read_text().replace("people: 1", "people: 2"))
    await scene.say(key, "sam")
    assert await scene.go_on(key) is None
    again = await scene.asked(key)
    assert (again.round, again.people_needed, scene.effects) == (2, 2, [])


async def test_an_approval_that_nobody_gives_expires_by_its_own_deadline(
    service: Service, tmp_path: Path, make_context, web, upstream_of
) -> None:
    scene = Scene(service, tmp_path / "short", window_s=3)
    scene.modes.mode = "normal"
    ender = OverdueEnder(OpenRequests(service.bus.client, service.sender.facts), service.sender, scene.proceed)
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await upstream_of(key)
    assert await scene.go_on(key) is None
    expires_ns = (await scene.asked(key)).expires_ns
    await ender.end_overdue()
    assert (await scene.story(key)).finish is None
    await until(lambda: time.time_ns() >= expires_ns)
    await scene.say(key, "sam")  # too late
    await ender.end_overdue()
    finish = (await scene.story(key)).finish
    assert finish is not None
    assert (finish.status, finish.reason, scene.effects) == ("expired", "approval_expired", [])
    assert await decision(scene, key) == ("expired", ["sam"])
    assert await scene.go_on(key) is None


async def test_a_word_whose_key_is_entered_later_is_looked_at_again(
    scene: Scene, service: Service, make_context, web, upstream_of
) -> None:
    ender = OverdueEnder(OpenRequests(service.bus.client, service.sender.facts), service.sender, scene.proceed)
    known = scene.people_file.read_text()
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await upstream_of(key)
    assert await scene.go_on(key) is None
    scene.people_file.write_text("people: []\n")
    await scene.say(key, "sam")
    assert await scene.go_on(key) is None
    await ender.end_overdue()
    await ender.look_again()
    assert (await decision(scene, key), scene.effects) == (None, [])
    scene.people_file.write_text(known)
    await ender.look_again()
    await until(lambda: not ender._looking)
    finish = (await scene.story(key)).finish
    assert finish is not None
    assert (finish.status, scene.effects) == ("completed", ["restart"])


async def test_looks_that_find_nothing_add_no_span_and_the_one_that_does_adds_all_of_its_own(
    scene: Scene, service: Service, make_context, web, upstream_of
) -> None:
    ender = OverdueEnder(OpenRequests(service.bus.client, service.sender.facts), service.sender, scene.proceed)
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await upstream_of(key)
    assert await scene.go_on(key) is None
    with recorded_spans() as spans:
        for _ in range(20):
            await ender.end_overdue()
            await ender.look_again()
    assert [span.name for span in spans if span.request_key == str(key)] == []
    await scene.say(key, "sam")
    with recorded_spans() as spans:
        await ender.look_again()
        await until(lambda: not ender._looking)
    names = {span.name for span in spans if span.request_key == str(key)}
    assert {"look again at what people said", "read facts", "count approvals", "wait for approval"} <= names
    assert any(name.endswith(".finished") for name in names)


async def test_a_request_that_waits_for_people_outlives_its_own_deadline(
    scene: Scene, service: Service, make_context, web, upstream_of
) -> None:
    ender = OverdueEnder(OpenRequests(service.bus.client, service.sender.facts), service.sender, scene.proceed)
    context = make_context("service.restart", assets=[web])
    key = await scene.request(context, change(1, web, "restart"), deadline_s=0.2)
    await upstream_of(key, 200)
    assert await scene.go_on(key) is None
    story = await scene.story(key)
    await until(lambda: time.time_ns() >= story.context.deadline_ns)
    await ender.end_overdue()
    assert (await scene.story(key)).finish is None
    await scene.say(key, "sam")
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])


async def test_a_run_that_was_lost_is_ended_by_the_deadline(
    scene: Scene, service: Service, make_context, web, upstream_of
) -> None:
    """The ender tells what became of it: unknown, and never that it merely expired."""
    begun, _ = scene.holding()
    key = await scene.request(
        make_context("service.restart", assets=[web]), change(1, web, "restart", timeout_ms=60_000)
    )
    await upstream_of(key)
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")
    lost = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    story = await scene.story(key)
    later = story.claims[1].deadline_ns + 3_000_000_000
    proceed = scene.proceed
    object.__setattr__(proceed, "clock_ns", lambda: later)
    outcome = await proceed.when_overdue(key, mark_now)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("needs_human", "outcome_unknown")
    assert scene.effects == ["restart"]
