"""An overdue request that cannot be settled keeps no other from its outcome, and has one itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.contracts.routes import ASSET_CHANGED
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.overdue_ender import OverdueEnder
from opswire.executor.errors_of_changes import LockLostError
from opswire.executor.usecases.story import Key

LATER_NS = 3_600_000_000_000


class LaterRequests(OpenRequests):
    """Asked an hour from now."""

    async def overdue(self, now_ns: int) -> Any:
        return await super().overdue(now_ns + LATER_NS)


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


@pytest.fixture
def ender(service: Service, scene: Scene) -> OverdueEnder:
    return OverdueEnder(LaterRequests(service.bus.client, service.sender.facts), service.sender, scene.proceed)


async def test_an_asset_whose_last_change_nobody_can_read_holds_up_no_other_request(
    scene: Scene,
    ender: OverdueEnder,
    upstream_of: Callable[..., Awaitable[None]],
    make_context: Callable[..., Any],
    make_asset: Callable[..., Asset],
) -> None:
    web = make_asset("web-01", environment="staging")
    first = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await upstream_of(first)
    assert await scene.go_on(first) is None
    other = Key("test", "other")
    await upstream_of(other)
    subject = ASSET_CHANGED.subject(asset_id=web.id)
    await scene.service.bus.client.jetstream().publish(subject, b"{", headers={"Opswire-Type": "x"})
    await ender.end_overdue()
    finish = (await scene.story(other)).finish
    assert finish is not None
    assert (finish.status, finish.reason) == ("expired", "deadline_passed")
    finish = (await scene.story(first)).finish
    assert finish is not None
    assert finish.status == "needs_human"
    assert scene.effects == []


async def test_one_that_must_be_tried_again_holds_up_no_other_request(
    scene: Scene, ender: OverdueEnder, upstream_of: Callable[..., Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = Key("test", "first"), Key("test", "other")
    for key in (first, other):
        await upstream_of(key)
    inner = type(scene.proceed).has_nothing_to_settle

    async def nothing_to_settle(proceed: Any, key: Key) -> bool:
        if key == first:
            raise LockLostError("another run of this request has taken over")
        return await inner(proceed, key)

    monkeypatch.setattr(type(scene.proceed), "has_nothing_to_settle", nothing_to_settle)
    with pytest.raises(LockLostError):
        await ender.end_overdue()
    assert (await scene.story(other)).finish is not None
    monkeypatch.undo()
    await ender.end_overdue()
    assert (await scene.story(first)).finish is not None
