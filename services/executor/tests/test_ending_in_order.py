"""SIGTERM while a change runs on a host: its outcome is told, or its claim makes it unknown; never is it repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from change_scene import Scene
from executor_process import ExecutorProcess
from opswire.chassis.service import Service
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.findings import Asset
from opswire.executor.usecases.story import Key

LONG_CHANGE = """#!/bin/sh
echo begun >> effects
while [ ! -e go-on ]; do sleep 0.05; done
echo ended >> effects
"""


class Host:
    """A host on which a change takes until it is told to go on, and an executor that may change it."""

    def __init__(self, service: Service, ssh_host: Any, directory: Path) -> None:
        self.scene = Scene(service, directory / "scene")
        self.root = ssh_host.root
        self.asset: Asset = ssh_host.asset("web-01").model_copy(update={"environment": "development"})
        script = self.root / "bin" / "long-change"
        script.parent.mkdir()
        script.write_text(LONG_CHANGE)
        script.chmod(0o755)
        self._ssh_host = ssh_host
        self._directory = directory

    def executor(self, drain_s: float) -> ExecutorProcess:
        """An executor process that waits so long for what runs when it is told to end."""
        return ExecutorProcess(
            self._directory / "executor",
            self.scene.service.settings.nats_url,
            self.scene.policy_file,
            self.scene.people_file,
            OPSWIRE_ALLOW_LOOPBACK="true",
            OPSWIRE_CREDENTIALS_DIR=str(self._ssh_host.credentials_dir),
            OPSWIRE_DRAIN_TIMEOUT_S=str(drain_s),
        )

    async def begun(self, make_context: Callable, deadline_s: float) -> Key:
        """A request whose change runs on the host now."""
        context = make_context("command.run", 'run "long-change" on web-01', [self.asset], [("command", "long-change")])
        key = await self.scene.request(context, deadline_s=deadline_s)
        await self.until_effects("begun")
        return key

    async def until_effects(self, *lines: str) -> None:
        """Until the host shows exactly these."""

        async def shown() -> bool:
            return self.effects == list(lines)

        await until_told(shown)

    @property
    def effects(self) -> list[str]:
        """What was done on the host, line by line."""
        path = self.root / "effects"
        return path.read_text().splitlines() if path.exists() else []

    async def until_finished(self, key: Key) -> None:
        """Until the request has its outcome."""

        async def has_finish() -> bool:
            return (await self.scene.story(key)).finish is not None

        await until_told(has_finish, timeout_s=60)


async def test_a_change_that_runs_when_the_executor_is_told_to_end_ends_with_its_outcome(
    service: Service, ssh_host: Any, tmp_path: Path, make_context: Callable
) -> None:
    host = Host(service, ssh_host, tmp_path)
    executor = host.executor(drain_s=60)
    try:
        await executor.start()
        key = await host.begun(make_context, deadline_s=120)
        executor.tell_to_end()
        (host.root / "go-on").touch()
        assert await executor.ended() == 0
        story = await host.scene.story(key)
        assert {number: outcome.status for number, outcome in story.outcomes.items()} == {1: "succeeded"}
        assert story.finish is not None
        assert story.finish.status == "completed"
        await executor.start()
        await host.until_finished(key)
        assert host.effects == ["begun", "ended"]
    finally:
        executor.stop()


async def test_a_change_that_outlasts_the_drain_is_unknown_and_is_not_begun_again(
    service: Service, ssh_host: Any, tmp_path: Path, make_context: Callable
) -> None:
    host = Host(service, ssh_host, tmp_path)
    executor = host.executor(drain_s=0.2)
    try:
        await executor.start()
        key = await host.begun(make_context, deadline_s=12)
        executor.tell_to_end()
        assert await executor.ended() == 0
        story = await host.scene.story(key)
        assert set(story.claims) == {1}
        assert story.finish is None
        await executor.start()
        await host.until_finished(key)
    finally:
        executor.stop()
    story = await host.scene.story(key)
    assert story.finish is not None
    assert (story.finish.status, story.finish.reason) == ("needs_human", "outcome_unknown")
    assert story.outcomes[1].status == "unknown"
    assert host.effects == ["begun"]
