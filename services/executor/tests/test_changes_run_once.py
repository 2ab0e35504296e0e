"""Steps that change something, on a real broker: approved, claimed, run once, verified, and told as they ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from change_scene import CHANGE, PROBE, Scene, change, look, mark_now, raising, rows_of, with_probe
from crash_worker import patiently
from opswire.chassis.service import Service
from opswire.chassis.testing.waiting import until
from opswire.contracts.findings import Asset
from opswire.contracts.routes import LOCK_CHANGED, STEP_CLAIMED
from opswire.contracts.step_claimed import StepClaimed
from opswire.executor.errors import ConnectionBrokenError, HostUnreachableError, LoginRefusedError
from opswire.executor.usecases.story import Key


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


@pytest.fixture
def second(service: Service, tmp_path: Path, scene: Scene) -> Scene:
    """Another process on the same broker, with the same people and plans; its tools count into the same list."""
    made = Scene(service, tmp_path / "two")
    made.policy_file.write_bytes(scene.policy_file.read_bytes())
    made.people_file.write_bytes(scene.people_file.read_bytes())
    made.plans, made.effects, made.seeds, made.modes.mode = scene.plans, scene.effects, scene.seeds, "normal"
    return made


@pytest.fixture
def web(make_asset: Callable[..., Asset]) -> Asset:
    return make_asset("web-01", environment="staging")


async def approved(scene: Scene, key: Key) -> None:
    """Ask, and have one person say yes."""
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")


async def test_an_approved_change_is_run_once_verified_and_told(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    assert await scene.go_on(key) is None
    asked = await scene.asked(key)
    assert [target.name for target in asked.targets] == ["web-01"]
    assert (asked.people_needed, asked.role, scene.effects) == (1, "operator", [])
    await scene.say(key, "sam")
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("completed", None)
    assert "Approved by sam." in outcome.answer.summary
    assert [(row["outcome"], row["verified"]) for row in rows_of(outcome)] == [("succeeded", "pass")]
    assert scene.effects == ["restart"]
    story = await scene.story(key)
    assert story.round is not None
    assert story.round.decided is not None
    assert (story.round.decided.outcome, story.round.decided.people) == ("granted", ["sam"])
    assert scene.invalidated.tags == [[f"asset:{web.id}"]]
    assert await scene.go_on(key) is None
    assert scene.effects == ["restart"]


async def test_two_processes_that_take_it_up_at_once_do_it_once(scene: Scene, second: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    await approved(scene, key)
    # Who finds the lock taken over is given its message again, as here.
    outcomes = await asyncio.gather(*(patiently(lambda one=one: one.go_on(key)) for one in (scene, second)))
    finishes = {outcome.to_bytes() for outcome in outcomes if outcome is not None}
    assert scene.effects == ["restart"]
    assert len(finishes) == 1


async def test_what_an_earlier_run_did_is_not_done_again(scene: Scene, second: Scene, make_context, web) -> None:
    steps = [change(1, web, "first"), change(2, web, "second", after=[1])]
    key = await scene.request(make_context("service.restart", assets=[web]), *steps)
    await approved(scene, key)
    first = await scene.proceed(key, lambda: mark_now())
    assert first is not None  # its finish was never published: the process died
    outcome = await second.go_on(key)
    assert outcome is not None
    assert scene.effects == ["first", "second"]
    assert [row["outcome"] for row in rows_of(outcome)] == ["succeeded", "succeeded"]


async def test_a_step_whose_run_was_lost_is_unknown_and_goes_to_a_person(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    await approved(scene, key)
    asked = await scene.asked(key)
    over_ns = time.time_ns() - 3_000_000_000
    claim = StepClaimed(
        request_id=key.request_id,
        number=1,
        run_id="ab" * 16,
        executor="gone/1",
        plan_digest=asked.plan.digest,
        claimed_ns=over_ns,
        deadline_ns=over_ns,
    )
    subject = STEP_CLAIMED.subject(source=key.source, request_id=key.request_id, number="1")
    await scene.service.sender.send(STEP_CLAIMED, subject, claim)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("needs_human", "outcome_unknown", [])
    assert "gone/1" in outcome.answer.summary
    assert f"{PROBE} (name=restart)" in outcome.answer.summary
    assert "opswire resolve" in outcome.answer.summary


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (LoginRefusedError("no"), "failed", "login_refused"),
        (HostUnreachableError("no route"), "failed", "host_unreachable"),
        (ConnectionBrokenError("cut"), "needs_human", "outcome_unknown"),
        (ValueError("a fault in the driver"), "needs_human", "outcome_unknown"),
    ],
)
async def test_only_an_end_that_was_seen_is_told_as_failed(
    scene: Scene, make_context, web, error: Exception, status: str, reason: str
) -> None:
    scene.tools[CHANGE] = raising(error)
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await approved(scene, key)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (status, reason)


async def test_a_tool_that_does_not_end_is_ended_and_its_probe_is_asked(scene: Scene, make_context, web) -> None:
    begun, _ = scene.holding()
    step = with_probe(change(1, web, "restart", timeout_ms=200))
    key = await scene.request(make_context("service.restart", assets=[web]), step)
    await approved(scene, key)
    outcome = await scene.go_on(key)
    assert begun.is_set()
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("needs_human", "outcome_unknown")
    assert "The probe test.probe said pass" in outcome.answer.summary


async def test_what_a_probe_finds_undone_is_failed(scene: Scene, make_context, web) -> None:
    async def nothing(call):
        from opswire.executor.rules.tools import ToolResult

        return ToolResult(())

    scene.tools[CHANGE] = nothing
    key = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    await approved(scene, key)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("failed", "verification_failed")


async def test_what_depends_on_a_failure_is_not_begun(scene: Scene, make_context, make_asset) -> None:
    hosts = [make_asset(f"web-{number}", environment="staging") for number in range(3)]
    scene.tools[CHANGE] = raising(HostUnreachableError("no route"))
    steps = [change(1, hosts[0], "a"), change(2, hosts[1], "b", after=[1]), look(3, hosts[2], after=[2])]
    key = await scene.request(make_context("service.restart", assets=hosts), *steps)
    await approved(scene, key)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert outcome.status == "failed"
    assert "Not begun: test.change on web-1." in outcome.answer.summary
    assert set((await scene.story(key)).claims) == {1}
    assert scene.effects == []


async def test_two_requests_never_change_one_asset_at_once(scene: Scene, make_context, web) -> None:
    begun, go_on = scene.holding()
    keys = [await scene.request(make_context("service.restart", assets=[web]), change(1, web, name)) for name in "ab"]
    for key in keys:
        await approved(scene, key)
    first = asyncio.create_task(scene.go_on(keys[0]))
    await begun.wait()
    waits = asyncio.Event()
    subject = LOCK_CHANGED.subject(asset_id=web.id)
    other = asyncio.create_task(scene.go_on(keys[1]))
    await scene.service.bus.client.subscribe_directly(subject, lambda *_: waits.set())
    await scene.service.bus.client.flush()
    assert (scene.effects, other.done()) == (["a"], False)
    go_on.set()
    assert (await first).status == "completed"
    assert (await other).status == "completed"
    assert scene.effects == ["a", "b"]
    assert waits.is_set()


async def test_a_cancelled_request_begins_nothing(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await approved(scene, key)
    await scene.cancel(key)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("cancelled", "cancelled", [])


async def test_cancelling_ends_the_tool_and_never_guesses_what_it_did(scene: Scene, make_context, web) -> None:
    begun, _ = scene.holding()
    steps = [with_probe(change(1, web, "restart")), change(2, web, "more", after=[1])]
    key = await scene.request(make_context("service.restart", assets=[web]), *steps)
    await approved(scene, key)
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    await scene.cancel(key)
    scene.proceed.running.end(key)
    outcome = await running
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("needs_human", "outcome_unknown")
    assert "said pass" in outcome.answer.summary
    assert scene.effects == ["restart"]


async def test_stopping_all_executors_ends_what_runs(scene: Scene, make_context, web) -> None:
    begun, _ = scene.holding()
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await approved(scene, key)
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    scene.modes.set("stopped", "wrong hosts")
    assert (await running).status == "needs_human"


@pytest.mark.parametrize("mode", ["read_only", "stopped", "unknown"])
async def test_nothing_is_begun_in_any_mode_but_normal(scene: Scene, make_context, web, mode: str) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await approved(scene, key)
    scene.modes.mode, scene.modes.reason = mode, "a test"
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("rejected", "mode_refuses", [])
    assert "opswire mode normal" in outcome.answer.summary


async def test_nothing_is_begun_while_the_broker_has_lost_something(scene: Scene, make_context, web) -> None:
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await approved(scene, key)
    scene.high_water.saw("OPSWIRE_FACTS", 1_000_000)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("needs_human", "stream_behind", [])


async def test_a_claim_is_on_disk_before_its_tool_runs(scene: Scene, make_context, web) -> None:
    begun, go_on = scene.holding()
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await approved(scene, key)
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    at_disk = type(scene.high_water)(scene.policy_file.parent)
    at_disk.load()
    mark = at_disk.mark("OPSWIRE_FACTS")
    claim = await scene.proceed.journal.sequence(key, STEP_CLAIMED, number="1")  # type: ignore[attr-defined]
    assert mark is not None
    assert mark.sequence >= claim > 0
    go_on.set()
    await running


async def test_a_change_that_the_policy_allows_asks_nobody(scene: Scene, make_context, make_asset) -> None:
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])
    assert (await scene.story(key)).rounds == {}


async def test_parallel_branches_run_side_by_side(scene: Scene, make_context, make_asset) -> None:
    hosts = [make_asset(f"web-{number}", environment="development") for number in range(3)]
    together = asyncio.Barrier(3)
    inner = scene.tools[CHANGE]

    async def meets(call):
        await together.wait()
        return await inner(call)

    scene.tools[CHANGE] = meets
    steps = [change(number, host, host.name) for number, host in enumerate(hosts, start=1)]
    key = await scene.request(make_context("command.run", assets=hosts), *steps)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert outcome.status == "completed"
    assert sorted(scene.effects) == ["web-0", "web-1", "web-2"]
    await until(lambda: not scene.proceed.running.runs)
