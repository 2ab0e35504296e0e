"""However many messages of one request come at once, one process works on it once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from change_scene import Scene, change
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset


async def test_messages_of_one_request_are_handled_one_after_the_other(
    service: Service, tmp_path: Path, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    scene = Scene(service, tmp_path / "one")
    scene.modes.mode = "normal"
    web = make_asset("web-01", environment="staging")
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    journal: Any = scene.proceed.journal
    read, at_work, most = journal.read, 0, 0
    handled: list[asyncio.Task[Any]] = []

    async def read_alone(asked: Any) -> Any:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        try:
            return await read(asked)
        finally:
            at_work -= 1

    async def handle(more: int) -> None:
        await scene.proceed(key, lambda: None)  # type: ignore[arg-type,return-value]
        if more:
            # The moment in which the next one is about to take over from this one.
            handled.append(asyncio.create_task(handle(more - 1)))

    journal.read = read_alone
    handled += [asyncio.create_task(handle(2)) for _ in range(3)]
    while pending := [task for task in handled if not task.done()]:
        await asyncio.wait(pending)
    assert [task.exception() for task in handled] == [None] * 9
    assert most == 1
    assert scene.proceed.running.locks == {}
