"""Executors killed at every point of a change, and the broker beside them: done at most once, told once, never guessed.

Bounded here; `OPSWIRE_CRASH_RUNS` makes it long, `OPSWIRE_CRASH_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change, with_probe
from crash_bugs import BUGS
from crash_checker import Evidence, findings
from crash_worker import patiently
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.provision import provision
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import Step
from opswire.executor.usecases.story import Key

RUNS = int(os.environ.get("OPSWIRE_CRASH_RUNS", "200"))
SEED = int(os.environ.get("OPSWIRE_CRASH_SEED", str(random.SystemRandom().randrange(1_000_000))))
RUNS_OF_A_BUG = 60
AT_ONCE = 16
POINTS_MAX = 130
"""About the length of a whole way; a few crashes fall behind its end and hit nothing."""
CRASHES_MAX = 3
BROKER_KILLS_SHARE = 0.05
WORKER = Path(__file__).with_name("crash_worker.py")


class Workers:
    """The zygote, and the executors that it forks."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self._ended: dict[int, asyncio.Future[int]] = {}
        self.killed = 0

    async def start(self) -> None:
        """Import everything once."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1_000_000
        )
        self._reading = asyncio.create_task(self._read())

    async def run(self, command: dict[str, Any]) -> int:
        """One executor's life; its exit status, -9 where it was killed."""
        number = next(self._ids)
        self._ended[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command | {"id": number}).encode() + b"\n")
        status = await self._ended[number]
        self.killed += status == -signal.SIGKILL
        return status

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            report = json.loads(line)
            self._ended.pop(report["id"]).set_result(report["status"])

    async def stop(self) -> None:
        """End the zygote."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        self._reading.cancel()


@dataclass
class Crashing:
    """A broker, a scene that plays upstream and people, and executors that die."""

    nats: NatsServer
    scene: Scene
    workers: Workers
    directory: Path
    context: Callable[..., Any]
    asset: Callable[..., Asset]
    dice: random.Random
    bug: str = "none"
    effects: Path = field(init=False)
    one_kill: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.effects = self.directory / "effects"
        self.effects.touch()

    async def one(self, number: int) -> list[str]:
        """One request under crashes, and one executor that lives in the end; what does not hold."""
        asked = self.dice.random() < 0.8
        host = self.asset(f"host-{number}", environment="staging" if asked else "development")
        steps = [with_probe(change(place, host, f"{number}-{place}", timeout_ms=400), 400) for place in (1, 2)]
        steps[1] = steps[1].model_copy(update={"after": [1]})
        context = self.context("service.restart", assets=[host])
        key = await patiently(lambda: self.scene.request(context, *steps, deadline_s=120))
        crashes = [self.dice.randrange(1, POINTS_MAX) for _ in range(self.dice.randrange(1, CRASHES_MAX + 1))]
        for crash_at in crashes:
            await self._live(key, steps, crash_at)
            await self._approve(key, asked)
        for _ in range(3):  # each message is delivered again until it is acknowledged: to people, then to its end
            if await self._live(key, steps, 0) != 0:
                return ["an executor that was not killed failed; see its error above"]
            await self._approve(key, asked)
        story = await patiently(lambda: self.scene.story(key))
        return findings(Evidence(story, self._done(key), len(steps), asked))

    async def _live(self, key: Key, steps: list[Step], crash_at: int) -> int:
        directory = self.directory / key.request_id
        command = {
            "url": self.nats.url,
            "directory": str(directory),
            "seeds": self.scene.seeds,
            "effects": str(self.effects),
            "points": str(directory / "points"),
            "request_id": key.request_id,
            "steps": [step.model_dump(mode="json") for step in steps],
            "bug": self.bug,
            "crash_at": crash_at,
        }
        if self.dice.random() < BROKER_KILLS_SHARE:
            work = asyncio.create_task(self.workers.run(command))
            await asyncio.sleep(self.dice.random() * 0.2)  # a random moment, and nothing is waited for
            async with self.one_kill:
                await asyncio.to_thread(self._kill_broker)
            return await work
        return await self.workers.run(command)

    def _kill_broker(self) -> None:
        self.nats.kill()
        self.nats.start()

    async def _approve(self, key: Key, asked: bool) -> None:
        story = await patiently(lambda: self.scene.story(key))
        if asked and story.round is not None and story.round.decided is None and not story.round.given:
            await patiently(lambda: self.scene.say(key, "sam"))

    def _done(self, key: Key) -> Counter[int]:
        lines = (line.split() for line in self.effects.read_text().splitlines())
        return Counter(int(step) for request_id, step in lines if request_id == key.request_id)


@pytest.fixture
async def crashing(tmp_path: Path, make_context: Any, make_asset: Any) -> AsyncIterator[Crashing]:
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        service = Service("executor", "1", ServiceSettings(nats_url=server.url, http_port=0))
        await service.start()
        workers = Workers()
        await workers.start()
        scene = Scene(service, tmp_path / "scene")
        yield Crashing(server, scene, workers, tmp_path, make_context, make_asset, random.Random(SEED))
        await workers.stop()
        await service.stop()


async def played(crashing: Crashing, runs: int) -> dict[int, list[str]]:
    """So many requests, a few at once; the findings by request, where there are any."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> tuple[int, list[str]]:
        async with slots:
            return number, await crashing.one(number)

    found = await asyncio.gather(*(one(number) for number in range(runs)))
    return {number: sentences for number, sentences in found if sentences}


@pytest.mark.faults
@pytest.mark.timeout(60 + RUNS * 3)
async def test_whatever_is_killed_a_change_is_done_once_and_told_once(crashing: Crashing) -> None:
    found = await played(crashing, RUNS)
    assert not found, f"seed {SEED}: {len(found)} of {RUNS}: {dict(list(found.items())[:5])}"
    assert crashing.workers.killed > RUNS / 2, "the executors were hardly ever killed"


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("bug", [name for name in BUGS if name != "none"])
async def test_the_crashes_catch(crashing: Crashing, bug: str) -> None:
    """Each fault in the executor is found by what is checked after the crashes."""
    crashing.bug = bug
    assert await played(crashing, RUNS_OF_A_BUG), f"seed {SEED}: {bug} was not noticed"
