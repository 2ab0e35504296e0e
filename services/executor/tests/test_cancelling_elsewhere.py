"""Two executors: one runs a step, the other is given the wish to cancel it by the durable consumer they share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from change_scene import Scene, change
from executor_process import ExecutorProcess
from opswire.chassis.service import Service
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.findings import Asset
from opswire.contracts.routes import CANCELLATION_REQUESTED, FACTS
from opswire.executor.adapters.cancellations import Cancellations


async def test_the_process_that_runs_it_ends_it_although_another_took_the_message(
    service: Service, tmp_path: Path, make_context: Callable, make_asset: Callable[..., Asset]
) -> None:
    scene = Scene(service, tmp_path / "one")
    scene.modes.mode = "normal"
    cancellations = Cancellations(scene.proceed.running, scene.proceed.guard.is_cancelled)
    following = asyncio.create_task(cancellations.follow(service.bus.client))
    web = make_asset("web-01", environment="development", address="127.0.0.1")
    checkout = make_asset(
        "checkout", "service", environment="development", parent="web-01", attributes={"unit": "checkout"}
    )
    begun, _ = scene.holding()
    key = await scene.request(
        make_context("service.restart", assets=[checkout], hosts=[web]), change(1, checkout, "restart")
    )
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    other = ExecutorProcess(tmp_path / "two", service.settings.nats_url, scene.policy_file, scene.people_file)
    try:
        await other.start()
        await scene.cancel(key)
        outcome = await running

        async def was_taken_by_the_other() -> bool:
            consumer = CANCELLATION_REQUESTED.consumer_of("executor").durable
            info = await service.bus.request_json(f"$JS.API.CONSUMER.INFO.{FACTS}.{consumer}", {})
            return bool(info["delivered"]["consumer_seq"] >= 1)

        await until_told(was_taken_by_the_other)
    finally:
        following.cancel()
        await asyncio.to_thread(other.stop)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("needs_human", "outcome_unknown", ["restart"])
    story = await scene.story(key)
    assert story.outcomes[1].code == "interrupted"
    assert story.outcomes[1].run_id == story.claims[1].run_id


async def test_a_wish_that_is_no_fact_ends_nothing(
    service: Service, tmp_path: Path, make_context: Callable, make_asset: Callable[..., Asset]
) -> None:
    scene = Scene(service, tmp_path / "one")
    scene.modes.mode = "normal"
    box = make_asset("box", environment="development")
    begun, go_on = scene.holding()
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    running = asyncio.create_task(scene.go_on(key))
    await begun.wait()
    cancellations = Cancellations(scene.proceed.running, scene.proceed.guard.is_cancelled)
    await cancellations.end_cancelled()
    go_on.set()
    outcome = await running
    assert outcome is not None
    assert outcome.status == "completed"
