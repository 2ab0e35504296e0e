"""What the policy let pass, or had approved, it must still let pass when the change is begun."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.executor.errors_of_changes import ApprovalInvalidError
from opswire.executor.usecases.decide import Deciding
from opswire.executor.usecases.story import Key

REFUSING = """
roles: [operator]
approval_window_s: 600
otherwise: {verdict: refuse, because: Nothing is changed today}
"""
FREEZING = """
roles: [operator, lead]
approval_window_s: 14400
windows:
  freeze: {{time_zone: UTC, dates: [{{from: "{begin}", until: "{end}"}}]}}
demands:
  - {{name: freeze, when: {{inside: [freeze]}}, verdict: approve, people: 2, role: {role}, because: It is frozen}}
otherwise: {{verdict: approve, people: {people}, role: operator, because: It changes something}}
"""
HOUR_NS = 3_600_000_000_000


def frozen(begin_h: float, end_h: float, role: str = "operator", people: int = 1) -> str:
    """A policy that asks for more within these hours from now on."""
    now = datetime.now(UTC).replace(tzinfo=None)
    begin, end = (str(now + timedelta(hours=hours)) for hours in (begin_h, end_h))
    return FREEZING.format(begin=begin, end=end, role=role, people=people)


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


async def test_a_policy_that_refuses_by_now_is_heard_where_nobody_was_asked(
    scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    locks: Any = scene.proceed.executor.locks
    waits, inner = asyncio.Event(), locks.acquire
    go_on = asyncio.Event()

    async def acquire(*given: Any) -> Any:
        waits.set()
        await go_on.wait()  # another request changes the asset, for minutes perhaps
        return await inner(*given)

    locks.acquire = acquire
    running = asyncio.create_task(scene.go_on(key))
    await waits.wait()
    scene.policy_file.write_text(REFUSING)
    go_on.set()
    outcome = await running
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("rejected", "policy_refused")
    assert scene.effects == []


async def test_a_policy_that_refuses_in_between_stops_what_is_left(
    scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    box = make_asset("box", environment="development")
    steps = [change(1, box, "first"), change(2, box, "second", after=[1])]
    key = await scene.request(make_context("service.restart", assets=[box]), *steps)
    begun, go_on = scene.holding()
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    scene.policy_file.write_text(REFUSING)
    go_on.set()
    outcome = await running
    assert outcome is not None
    assert (outcome.reason, scene.effects) == ("policy_refused", ["first"])


@pytest.fixture
async def approved(
    scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> Callable[[str], Any]:
    """A request that `sam` has approved, or `sam` and `kim`, under a policy."""

    async def approve(policy: str, *people: str) -> Key:
        scene.policy_file.write_text(policy)
        web = make_asset("web-01", environment="staging")
        key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
        assert await scene.go_on(key) is None
        for person in people:
            await scene.say(key, person)
        return key

    return approve


async def verify(scene: Scene, key: Key, later_h: float, *, begun: bool = False) -> None:
    """What the guard asks, so many hours from now."""
    story = await scene.story(key)
    assert story.round is not None
    assert story.context is not None
    deciding = scene.proceed.deciding
    later = Deciding(deciding.people, deciding.policy, lambda: time.time_ns() + int(later_h * HOUR_NS))
    later.verify(key, story.round, story.context, begun=begun)


async def test_one_approval_of_the_day_is_not_enough_at_night(scene: Scene, approved: Callable[..., Any]) -> None:
    key = await approved(frozen(1, 200), "sam")
    await verify(scene, key, 0)
    with pytest.raises(ApprovalInvalidError) as caught:
        await verify(scene, key, 2)
    assert caught.value.code == "policy_changed"
    await verify(scene, key, 0.5)
    # 14,401 s later only a plan that was begun may go on, and that one may.
    await verify(scene, key, 4.0001, begun=True)


async def test_a_word_that_came_too_late_is_late_by_the_clock_of_the_broker_too(
    scene: Scene, approved: Callable[..., Any]
) -> None:
    key = await approved(frozen(100, 200), "sam")
    story = await scene.story(key)
    assert story.round is not None
    assert story.context is not None
    late = dataclasses.replace(story.round.given[0], stored_ns=story.round.asked.expires_ns)
    agreed = dataclasses.replace(story.round, given=(late,))
    deciding = scene.proceed.deciding  # by the clock of this machine there is an hour left
    assert deciding.settlement(key, story.round, story.context).outcome == "granted"
    assert deciding.settlement(key, agreed, story.context).outcome == "expired"


async def test_more_approvals_than_are_needed_by_now_are_enough(scene: Scene, approved: Callable[..., Any]) -> None:
    key = await approved(frozen(-1, 1, role="lead"), "sam", "kim")
    assert ((await scene.asked(key)).people_needed, (await scene.asked(key)).role) == (2, "lead")
    await verify(scene, key, 0)
    await verify(scene, key, 2)
