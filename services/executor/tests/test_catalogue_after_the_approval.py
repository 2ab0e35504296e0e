"""A tool that means something else by now than when people were asked, or when it was planned, is not run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import CHANGE, PROBE, Scene, change, with_probe
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.executor.rules.catalogue import Catalogue
from tool_scene import READ, WRITE, catalogue, parameter, tool

NAME = {"name": parameter()}
ECHO: dict[str, Any] = {"name": "ssh.command", "argv": ["echo", "{name}"]}
LOOK: dict[str, Any] = {"name": "ssh.command", "argv": ["look", "{name}"], "expect": "yes"}


def of(driver: dict[str, Any] = ECHO, probe: dict[str, Any] = LOOK, **more: Any) -> Catalogue:
    """A catalogue whose one tool that changes something is this one."""
    entry = WRITE | {"risk": "MEDIUM", "parameters": NAME} | more
    return catalogue(tool(CHANGE, driver, entry), tool(PROBE, probe, READ, parameters=NAME))


class Files:
    """The catalogue as its files are."""

    def __init__(self) -> None:
        self.current = of()


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def scene(service: Service, tmp_path: Path, files: Files) -> Scene:
    made = Scene(service, tmp_path / "one", catalogue=lambda: files.current)
    made.modes.mode = "normal"
    return made


ANOTHER = {
    "another command": lambda: of({**ECHO, "argv": ["rm", "-rf", "{name}"]}),
    "another probe": lambda: of(probe={**LOOK, "argv": ["true"]}),
    "another effect": lambda: of(effect="destroy"),
    "another risk": lambda: of(risk="CRITICAL"),
    "no such tool": lambda: catalogue(tool("test.other", ECHO, WRITE, parameters=NAME)),
}


@pytest.mark.parametrize("what", ANOTHER)
async def test_people_are_asked_again_where_a_tool_is_another(
    scene: Scene, files: Files, make_context: Callable[..., Any], make_asset: Callable[..., Asset], what: str
) -> None:
    web = make_asset("web-01", environment="staging")
    key = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")
    files.current = ANOTHER[what]()
    assert await scene.go_on(key) is None
    assert scene.effects == []
    asked = await scene.asked(key)
    assert asked.round == 2


@pytest.mark.parametrize(
    "now",
    [
        lambda: of(does="Changes something, said in other words."),
        lambda: catalogue(*_both(), tool("test.third", ECHO, WRITE, parameters=NAME)),
    ],
)
async def test_what_changes_nothing_about_the_tool_leaves_the_approval(
    scene: Scene, files: Files, make_context: Callable[..., Any], make_asset: Callable[..., Asset], now: Any
) -> None:
    web = make_asset("web-01", environment="staging")
    key = await scene.request(make_context("service.restart", assets=[web]), with_probe(change(1, web, "restart")))
    assert await scene.go_on(key) is None
    await scene.say(key, "sam")
    files.current = now()
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, scene.effects) == ("completed", ["restart"])


def _both() -> list[dict[str, Any]]:
    entry = WRITE | {"risk": "MEDIUM", "parameters": NAME}
    return [tool(CHANGE, ECHO, entry), tool(PROBE, LOOK, READ, parameters=NAME)]


@pytest.mark.parametrize(
    "more", [{"effect": "destroy"}, {"risk": "CRITICAL"}, {"parameters": {"name": parameter("integer", min=1, max=2)}}]
)
async def test_a_tool_that_nobody_had_to_approve_is_run_as_it_was_planned_or_not_at_all(
    scene: Scene, files: Files, make_context: Callable[..., Any], make_asset: Callable[..., Asset], more: dict[str, Any]
) -> None:
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("service.restart", assets=[box]), change(1, box, "restart"))
    files.current = of(**more)
    outcome = await scene.go_on(key)
    assert outcome is not None
    assert (outcome.status, outcome.reason, scene.effects) == ("rejected", "plan_changed", [])
