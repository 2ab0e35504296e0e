"""A stored plan that holds what this release does not know is refused as poison, and nothing of it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from change_scene import Scene, change, mark_now
from opswire.chassis.errors import PoisonError
from opswire.chassis.service import Service
from opswire.contracts.envelope import Envelope
from opswire.contracts.findings import Asset
from opswire.contracts.message import Message
from opswire.contracts.route import Route
from opswire.contracts.routes import APPROVAL_REQUESTED, PLAN_MADE
from opswire.executor.usecases.story import Key


async def store(scene: Scene, key: Key, route: Route, body: dict[str, Any], type_name: str, **variables: str) -> None:
    """The fact with these bytes, as another release would have stored it."""
    subject = route.subject(source=key.source, request_id=key.request_id, **variables)
    headers = Envelope(source="/opswire/executor", type=type_name).to_headers()
    await scene.service.bus.client.jetstream().publish(subject, orjson.dumps(body), headers=headers)


def as_dict(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(message.to_bytes())
    return found


@pytest.fixture
def box(make_asset: Callable[..., Asset]) -> Asset:
    return make_asset("box", environment="development")


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


@pytest.mark.parametrize("flaw", ["field of a step", "field of the plan", "version"])
async def test_a_stored_plan_is_understood_wholly_or_not_at_all(
    flaw: str, scene: Scene, make_context: Callable, box: Asset
) -> None:
    context = make_context("service.restart", assets=[box])
    key = await scene.request(context, change(1, box, "restart"))
    plan = scene._plan(context.model_copy(update={"request_id": key.request_id}))
    body, type_name = as_dict(plan), PLAN_MADE.type
    if flaw == "version":
        type_name, body["steps"][0]["timeout_ms"] = "opswire.plan_made.v99", 1_234
    else:
        (body["steps"][0] if flaw == "field of a step" else body)["run_as"] = "root"
    await store(scene, key, PLAN_MADE, body, type_name)
    with pytest.raises(PoisonError):
        await scene.proceed(key, mark_now)
    story = await scene.story(key)
    assert (scene.effects, story.claims, story.finish) == ([], {}, None)


async def test_a_plan_that_people_are_asked_about_is_as_strict(
    scene: Scene, make_context: Callable, make_asset: Callable[..., Asset]
) -> None:
    web = make_asset("web-01", environment="staging")
    context = make_context("service.restart", assets=[web])
    first = await scene.request(context, change(1, web, "restart"))
    assert await scene.go_on(first) is None
    body = as_dict(await scene.asked(first))
    key = await scene.request(context, change(1, web, "restart"))
    body["request_id"] = body["plan"]["request_id"] = key.request_id
    body["plan"]["steps"][0]["run_as"] = "root"
    await store(scene, key, APPROVAL_REQUESTED, body, APPROVAL_REQUESTED.type, round="1")
    with pytest.raises(PoisonError):
        await scene.proceed(key, mark_now)
    assert (scene.effects, (await scene.story(key)).claims) == ([], {})
