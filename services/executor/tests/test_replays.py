"""Every message of a request once more, to an executor that knows nothing of the first time: nothing is done again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change, look, with_probe
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.contracts.routes import AUDIT, FACTS
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.overdue_ender import OverdueEnder
from opswire.executor.usecases.story import Key

Make = Callable[..., Awaitable[Key]]


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


@pytest.fixture
def requested(
    scene: Scene,
    upstream_of: Callable[[Key], Awaitable[None]],
    make_context: Callable[..., Any],
    make_asset: Callable[..., Asset],
) -> Make:
    """A request of a look and a change that people were asked about."""

    async def make(**fields: Any) -> Key:
        web = make_asset("web-01", environment="staging")
        steps = [look(1, web), with_probe(change(2, web, "restart", after=[1], **fields))]
        key = await scene.request(make_context("service.restart", assets=[web]), *steps)
        await upstream_of(key)
        assert await scene.go_on(key) is None
        return key

    return make


async def completed(scene: Scene, key: Key) -> None:
    await scene.say(key, "sam")
    await scene.go_on(key)


async def denied(scene: Scene, key: Key) -> None:
    await scene.say(key, "kim", "deny")
    await scene.go_on(key)


async def cancelled(scene: Scene, key: Key) -> None:
    await scene.cancel(key)
    await scene.go_on(key)


async def said_too_late(scene: Scene, key: Key) -> None:
    await cancelled(scene, key)
    await scene.say(key, "sam")


@pytest.mark.parametrize("ends", [completed, denied, cancelled, said_too_late])
async def test_the_whole_stream_once_more_does_nothing(
    scene: Scene, service: Service, tmp_path: Path, requested: Make, ends: Callable[[Scene, Key], Awaitable[None]]
) -> None:
    key = await requested()
    await ends(scene, key)
    before = (await stored(service), list(scene.effects), await scene.story(key))
    assert before[2].finish is not None
    # Its acknowledgements were lost, and so is all that it held in memory.
    another = Scene(service, tmp_path / "two", keys=scene.seeds)
    another.plans, another.effects, another.modes.mode = scene.plans, scene.effects, "normal"
    for _message in ("context", "word", "word", "wish", "tick"):
        assert await another.go_on(key) is None
    ender = OverdueEnder(OpenRequests(service.bus.client, service.sender.facts), service.sender, another.proceed)
    await ender.end_overdue()
    await ender.look_again()
    assert (await stored(service), list(scene.effects), await scene.story(key)) == before


async def stored(service: Service) -> dict[str, int]:
    """How many messages each stream that counts holds."""
    found = {}
    for stream in (FACTS, AUDIT):
        answer = await service.bus.request_json(f"$JS.API.STREAM.INFO.{stream}", {})
        found[stream] = int(answer["state"]["messages"])
    return found
