"""The broker comes back with an older copy of its disk: nothing is changed until a person accepts what is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from change_scene import Scene
from executor_process import ExecutorProcess
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.provision import provision
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.request_finished import RequestFinished


@asynccontextmanager
async def scene_on(server: NatsServer, directory: Path) -> AsyncIterator[Scene]:
    service = Service("executor", "1", ServiceSettings(nats_url=server.url, http_port=0))
    await service.start()
    try:
        yield Scene(service, directory)
    finally:
        await service.stop()


async def finish_of(scene: Scene, context: Any) -> RequestFinished:
    """The outcome that the executor process gives it."""
    key = await scene.request(context)
    found: list[RequestFinished] = []

    async def is_finished() -> bool:
        finish = (await scene.story(key)).finish
        found.extend([finish] if finish is not None else [])
        return finish is not None

    await until_told(is_finished, timeout_s=60)
    return found[0]


def accept_loss(state_dir: Path, nats_url: str) -> str:
    command = [sys.executable, "-m", "opswire.cli", "audit", "accept-loss", "--reason", "an old disk", "--as", "dana"]
    environment = os.environ | {"OPSWIRE_NATS_URL": nats_url}
    done = subprocess.run(
        [*command, "--state-dir", str(state_dir)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


async def test_changes_stop_and_reads_go_on_until_the_loss_is_accepted(
    ssh_host: Any, tmp_path: Path, make_context: Callable
) -> None:
    box = ssh_host.asset("box").model_copy(update={"environment": "development"})
    change = make_context("command.run", 'run "touch done" on box', [box], [("command", "touch done")])
    read = make_context("asset.get", "tell me about box", [box])
    store, copy = tmp_path / "nats" / "jetstream", tmp_path / "copy"
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        server.stop()
        shutil.copytree(store, copy)
        server.start()
        async with scene_on(server, tmp_path / "scene") as scene:
            policy, people = scene.policy_file, scene.people_file
            settings = {
                "OPSWIRE_ALLOW_LOOPBACK": "true",
                "OPSWIRE_CREDENTIALS_DIR": str(ssh_host.credentials_dir),
            }
            executor = ExecutorProcess(tmp_path / "state", server.url, policy, people, **settings)
            try:
                await executor.start()
                assert (await finish_of(scene, change)).status == "completed"
            finally:
                await asyncio.to_thread(executor.stop)
        (ssh_host.root / "done").unlink()
        server.stop()
        shutil.rmtree(store)
        shutil.copytree(copy, store)
        server.start()
        async with scene_on(server, tmp_path / "scene") as scene:
            try:
                await executor.start()
                refused = await finish_of(scene, change)
                assert (refused.status, refused.reason) == ("needs_human", "stream_behind")
                assert not (ssh_host.root / "done").exists()
                assert (await finish_of(scene, read)).status == "completed"
                assert "OPSWIRE_FACTS" in await asyncio.to_thread(accept_loss, tmp_path / "state", server.url)
                again = await finish_of(scene, change)
                assert (again.status, again.reason) == ("completed", None), again
                assert (ssh_host.root / "done").exists()
            finally:
                await asyncio.to_thread(executor.stop)
