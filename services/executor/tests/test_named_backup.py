"""`restore ... from the backup of request X`: found in the facts of X, or refused with what is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.routes import CONTEXT_RESOLVED, PLAN_MADE, STEP_FINISHED
from opswire.contracts.step_finished import StepFinished
from opswire.executor.errors import IncompleteRequestError
from opswire.executor.usecases.plan import digest_of, make_plan
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.story import Key

PATH, COPY = "/var/lib/orders/orders.sqlite3", "/var/backups/orders.sqlite3.night-1.backup"


@dataclasses.dataclass
class Backups:
    """Requests on a real broker that backed something up, and the plans that are made beside them."""

    scene: Scene
    context: Callable[..., Any]
    host: Asset
    orders: Asset
    bills: Asset

    @property
    def proceed(self) -> Proceed:
        return dataclasses.replace(self.scene.proceed, make_plan=make_plan)

    async def back_up(self, request_id: str, *databases: Asset, status: str | None = "succeeded", **more: Any) -> None:
        """What stands of such a request when its steps ended so; None: they have not."""
        key = Key("test", request_id)
        context = self.context("data.backup", assets=list(databases), hosts=[self.host])
        context = context.model_copy(update={"request_id": request_id, "marks": []})
        plan = make_plan(context)
        journal = self.scene.proceed.journal
        await journal.add(key, CONTEXT_RESOLVED, context)
        await journal.add(key, PLAN_MADE, plan)
        if status is None:
            return
        for step in plan.steps:
            done = {"request_id": request_id, "number": step.number, "run_id": "0" * 32, "status": status}
            told = StepFinished.model_validate(done | {"started_ns": 1, "finished_ns": 2} | more)
            await journal.add(key, STEP_FINISHED, told, number=str(step.number))

    async def restore(self, text: str, *databases: Asset, entities: Any = ()) -> PlanMade:
        """The plan that is made for these words."""
        context = self.context(
            "data.restore", text, list(databases or [self.orders]), list(entities), hosts=[self.host]
        )
        return await self.proceed.plan_of(Key("test", context.request_id), context)


@pytest.fixture
def backups(
    service: Service, tmp_path: Path, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> Backups:
    kept = {"data_path": PATH, "backup_dir": "/var/backups"}
    orders = make_asset("orders-db@db-01", "database", parent="db-01", attributes=kept)
    bills = make_asset("bills-db@db-01", "database", parent="db-01", attributes=kept | {"data_path": "/srv/bills/b.db"})
    return Backups(Scene(service, tmp_path / "one"), make_context, make_asset("db-01"), orders, bills)


@pytest.mark.parametrize(
    "words",
    [
        "restore orders-db from the backup of request night-1",
        "Restore orders-db from the backup made by the request test/night-1.",
    ],
)
async def test_the_copy_is_the_one_that_the_named_request_made(backups: Backups, words: str) -> None:
    await backups.back_up("night-1", backups.orders, backups.bills)
    plan = await backups.restore(words)
    assert [(step.tool, step.asset_id, step.arguments) for step in plan.steps] == [
        ("data.restore", backups.orders.id, {"path": PATH, "copy": COPY})
    ]
    assert plan == await backups.restore(words), "the same facts give the same plan"


async def test_a_path_that_is_named_beside_it_is_another_copy(backups: Backups) -> None:
    await backups.back_up("night-1", backups.orders)
    words = "restore orders-db from the backup of request night-1"
    assert (await backups.restore(words, entities=[("path", COPY)])).steps[0].arguments["copy"] == COPY
    with pytest.raises(IncompleteRequestError, match="From which copy"):
        await backups.restore(words, entities=[("path", "/var/backups/other.backup")])


@pytest.mark.parametrize(
    ("request_id", "said"),
    [
        ("nobodys", "No plan of a request nobodys is on record"),
        ("restart", "Request restart made no backup"),
        ("other", "Request other backed up bills-db@db-01, not orders-db@db-01"),
        ("failed", "by request failed ended as tool_failed"),
        ("unknown", "by request unknown ended as run_lost"),
        ("broken", "by request broken did not pass its check"),
        ("running", "by request running has no outcome yet"),
        (
            "moved",
            "backed up /srv/old/place.db, and the file of orders-db@db-01 is /var/lib/orders/orders.sqlite3 by now",
        ),
        ("night-1 or the copy of request night-2", "The requests night-1 and night-2 are named"),
        ("twice", "Request twice made .* add the path of one"),
        ("elsewhere/night-1", "No plan of a request night-1 is on record"),
    ],
)
async def test_what_is_no_copy_of_it_is_refused_with_the_reason(backups: Backups, request_id: str, said: str) -> None:
    orders = backups.orders
    await backups.back_up("night-1", orders)
    await backups.back_up("other", backups.bills)
    await backups.back_up("failed", orders, status="failed", code="tool_failed")
    await backups.back_up("unknown", orders, status="unknown", code="run_lost")
    await backups.back_up("broken", orders, verification={"tool": "data.verify", "status": "fail", "detail": "torn"})
    await backups.back_up("running", orders, status=None)
    moved = orders.model_copy(update={"attributes": {**orders.attributes, "data_path": "/srv/old/place.db"}})
    await backups.back_up("moved", moved)
    await put_plan(backups, "restart")
    await put_plan(backups, "twice", "/var/backups/a", "/var/backups/b")
    with pytest.raises(IncompleteRequestError, match=said) as caught:
        await backups.restore(f"restore orders-db from the backup of request {request_id}")
    assert caught.value.status == "needs_clarification"


async def put_plan(backups: Backups, request_id: str, *copies: str) -> None:
    """A request that planned to make these copies of one database."""
    key = Key("test", request_id)
    context = backups.context("data.backup", assets=[backups.orders], hosts=[backups.host])
    context = context.model_copy(update={"request_id": request_id, "marks": []})
    plan = make_plan(context)
    steps = [
        plan.steps[0].model_copy(update={"number": place, "arguments": {"path": PATH, "copy": copy}})
        for place, copy in enumerate(copies, start=1)
    ]
    update = {"request_id": request_id, "steps": steps, "digest": digest_of(steps)}
    await backups.scene.proceed.journal.add(key, CONTEXT_RESOLVED, context)
    await backups.scene.proceed.journal.add(key, PLAN_MADE, plan.model_copy(update=update))


async def test_a_restore_by_its_path_asks_no_facts_and_several_targets_are_refused_as_before(backups: Backups) -> None:
    plan = await backups.restore(f"restore orders-db from {COPY}", entities=[("path", COPY)])
    assert plan.steps[0].arguments["copy"] == COPY
    with pytest.raises(IncompleteRequestError, match="one database at a time"):
        await backups.restore("restore both from the backup of request night-1", backups.orders, backups.bills)
