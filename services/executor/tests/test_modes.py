"""The mode of all executors on a real broker: anybody tightens, only a fresh signature of an operator loosens."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene
from opswire.chassis.nkey import public_of, sign
from opswire.chassis.service import Service
from opswire.chassis.statements import mode_statement
from opswire.chassis.testing.waiting import until
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.routes import MODE_CHANGED
from opswire.executor.adapters.modes import Modes


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    return Scene(service, tmp_path / "one")


def word(scene: Scene, mode: Any, who: str | None = None, reason: str = "a test") -> ModeChanged:
    """A change of mode, signed where `who` is given."""
    now_ns = time.time_ns()
    if who is None:
        return ModeChanged(mode=mode, reason=reason, changed_ns=now_ns)
    public = public_of(scene.seeds[who])
    signature = sign(scene.seeds[who], mode_statement(mode, reason, public, now_ns))
    return ModeChanged(mode=mode, reason=reason, person=public, changed_ns=now_ns, signature=signature)


async def said(scene: Scene, message: ModeChanged) -> str:
    """The mode after this was said."""
    name = f"mode-{time.time_ns()}"
    await scene.service.sender.send(MODE_CHANGED, MODE_CHANGED.template, message, message_id=name)
    await scene.modes.ask(scene.service.bus.client)
    return scene.modes.mode


async def test_nobody_has_said_anything_yet(scene: Scene) -> None:
    assert scene.modes.mode == "unknown"
    await scene.modes.ask(scene.service.bus.client)
    assert scene.modes.mode == "normal"


async def test_anybody_tightens_and_an_operator_loosens(scene: Scene) -> None:
    assert await said(scene, word(scene, "read_only")) == "read_only"
    assert await said(scene, word(scene, "stopped")) == "stopped"
    assert await said(scene, word(scene, "read_only")) == "stopped"  # milder, and unsigned
    assert await said(scene, word(scene, "normal")) == "stopped"
    assert await said(scene, word(scene, "read_only", "sam")) == "read_only"
    assert await said(scene, word(scene, "normal", "sam")) == "normal"


async def test_a_signature_from_before_the_last_stop_is_not_taken_again(scene: Scene) -> None:
    assert await said(scene, word(scene, "stopped")) == "stopped"
    back = word(scene, "normal", "sam")
    assert await said(scene, back) == "normal"
    assert await said(scene, word(scene, "stopped")) == "stopped"
    assert await said(scene, back) == "stopped"


async def test_another_mode_than_was_signed_is_refused(scene: Scene) -> None:
    assert await said(scene, word(scene, "stopped")) == "stopped"
    forged = word(scene, "read_only", "sam").model_copy(update={"mode": "normal"})
    assert await said(scene, forged) == "stopped"


async def test_whoever_starts_later_comes_to_the_same_mode(scene: Scene) -> None:
    for message in (word(scene, "stopped"), word(scene, "normal"), word(scene, "read_only")):
        await said(scene, message)
    later = Modes(scene.modes._people)
    await later.ask(scene.service.bus.client)
    assert (later.mode, later.reason) == (scene.modes.mode, scene.modes.reason)


async def test_a_change_is_heard_and_not_only_asked_for(scene: Scene) -> None:
    following = asyncio.create_task(scene.modes.follow(scene.service.bus.client))
    await until(lambda: scene.modes.mode == "normal")
    await scene.service.sender.send(MODE_CHANGED, MODE_CHANGED.template, word(scene, "stopped"), message_id="stop")
    await until(lambda: scene.modes.mode == "stopped")
    assert scene.modes.reason == "a test"
    following.cancel()
