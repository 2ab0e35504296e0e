"""A person who says a thousand words on rounds that nobody asked hides nothing of what became of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change
from opswire.chassis.direct_get import newest_of
from opswire.chassis.publisher import BrokerAwayError
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.contracts.routes import APPROVAL_GIVEN, FACTS
from opswire.executor.usecases.story import Key

FLOOD = 1_100
"""More subjects than the broker answers to one question."""


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


async def flood(scene: Scene, key: Key) -> None:
    """One's own subjects, of rounds that there are not: the broker lets a person write them."""
    context = scene.service.bus.client.jetstream()
    where = {"source": key.source, "request_id": key.request_id, "approver": "U" + "A" * 55}
    for begin in range(2, FLOOD, 100):
        subjects = [APPROVAL_GIVEN.subject(**where, round=str(number)) for number in range(begin, begin + 100)]
        await asyncio.gather(*(context.publish(subject, b"{}") for subject in subjects))


async def test_words_on_rounds_that_are_none_hide_nothing(
    scene: Scene, make_context: Callable[..., Any], make_asset: Callable[..., Asset]
) -> None:
    web = make_asset("web-01", environment="staging")
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    assert await scene.go_on(key) is None
    await flood(scene, key)
    await scene.say(key, "sam")
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])
    story = await scene.story(key)
    assert sorted(story.rounds) == [1]
    assert (len(story.claims), len(story.outcomes)) == (1, 1)


async def test_more_facts_than_one_answer_holds_are_no_empty_answer(
    scene: Scene, make_context: Callable[..., Any]
) -> None:
    key = await scene.request(make_context("status.check"))
    await flood(scene, key)
    with pytest.raises(BrokerAwayError, match="413"):
        await newest_of(scene.service.bus.client, FACTS, [f"opswire.v1.{key.source}.{key.request_id}.>"])
