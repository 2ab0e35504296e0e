"""A broker, a scene that plays upstream and people, executors that die at points of their way, and who looks after."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from change_scene import Scene, change, with_probe
from crash_checker import DEAD, Evidence, findings, overlaps
from crash_worker import ENDED, append, patiently
from crash_workers import STOPPED, Workers
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import Step
from opswire.executor.usecases.story import Key, Story

STEPS = 2
STEP_MS = 400
CRASHES_MAX = 3
LIVES_MAX = 4
BROKER_SHARE = 0.08
PAUSE_SHARE = 0.15
LASTING_S = 0.03
"""How long a change is at an asset that another request changes too."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at which point of which way: `asking` people, `approved` by them, `alone` without them."""

    way: str
    at: int
    kind: str = "executor"
    """`executor` is killed, `broker` is killed, or the executor takes a `pause` while another one goes on."""


@dataclass
class Crashing:
    """One broker and whatever happens on it."""

    nats: NatsServer
    scene: Scene
    workers: Workers
    directory: Path
    context: Callable[..., Any]
    asset: Callable[..., Asset]
    seed: int
    bug: str = "none"
    ways: dict[str, int] = field(default_factory=dict)
    """The number of points on each way, when nothing happens."""
    broker_kills: int = 0
    pauses: int = 0

    def __post_init__(self) -> None:
        self.effects = self.directory / "effects"
        self.effects.touch()

    async def measure(self) -> None:
        """Go each way once without any fault."""
        for way in ("asking", "alone"):
            life = await self._begin(way, way != "alone")
            await life.live()
            self.ways[way] = life.points
            if way == "asking":
                await life.approve()
                await life.live()
                self.ways["approved"] = life.points

    def every_point(self, dice: random.Random, *ways: str) -> list[Fault]:
        """Each point of these ways once, shuffled; most are the executor's death, some the broker's, or a pause."""
        kinds = ("executor", "broker", "pause")
        weights = (1 - BROKER_SHARE - PAUSE_SHARE, BROKER_SHARE, PAUSE_SHARE)
        found = [
            Fault(way, at, dice.choices(kinds, weights)[0])
            for way in ways or self.ways
            for at in range(1, self.ways[way] + 1)
        ]
        dice.shuffle(found)
        return found

    async def one(self, number: int, first: Fault) -> list[str]:
        """One request under faults, and executors that live in the end; what does not hold."""
        dice = random.Random(f"{self.seed}-{number}")  # its own: what others do changes nothing
        request = await self._begin(str(number), first.way != "alone")
        await request.prepare(first.way)
        return await self._live_through(request, first, dice)

    async def contest(self, number: int, *firsts: Fault) -> list[str]:
        """Requests that change one asset at the same time, each under its own faults; what does not hold."""
        dice = [random.Random(f"{self.seed}-{number}-{place}") for place in range(len(firsts))]
        way = firsts[0].way
        host = self._host(f"contested-{number}", way != "alone")
        names = [f"contested-{number}-{place}" for place in range(len(firsts))]
        requests = [await self._begin(name, way != "alone", host) for name in names]
        await asyncio.gather(*(request.prepare(way) for request in requests))
        lives = zip(requests, firsts, dice, strict=True)
        found = await asyncio.gather(*(self._live_through(*each) for each in lives))
        stories = {request.key.request_id: await request.story() for request in requests}
        return [*(sentence for each in found for sentence in each), *overlaps(self.effect_lines(), stories)]

    async def _live_through(self, request: Request, first: Fault, dice: random.Random) -> list[str]:
        await request.live(first)
        await request.approve()
        for _ in range(dice.randrange(CRASHES_MAX)):
            way = await request.way()
            await request.live(Fault(way, dice.randrange(1, self.ways[way] + 1)))
            await request.approve()
        for _ in range(LIVES_MAX):  # each message is delivered again until it is acknowledged
            was_finished = await request.is_finished()
            if await request.live() != 0:
                return ["an executor that nothing happened to failed; see its error above"]
            await request.approve()
            if was_finished:
                break  # and once more after that: a replay changes nothing
        return await request.findings()

    def effect_lines(self) -> list[list[str]]:
        """What tools did, and when executors died, in the order in which it came about."""
        return [line.split() for line in self.effects.read_text().splitlines()]

    def _host(self, name: str, asked: bool) -> Asset:
        return self.asset(f"host-{name}", environment="staging" if asked else "development")

    async def _begin(self, name: str, asked: bool, contested: Asset | None = None) -> Request:
        host = contested or self._host(name, asked)
        steps = [
            with_probe(change(place, host, f"{name}-{place}", timeout_ms=STEP_MS, after=list(range(1, place))), STEP_MS)
            for place in range(1, STEPS + 1)
        ]
        context = self.context("service.restart", assets=[host])
        key = await patiently(lambda: self.scene.request(context, *steps, deadline_s=600))
        return Request(self, key, steps, asked, LASTING_S if contested else 0.0)

    async def keep_broker(self) -> None:
        """Start the broker again whenever somebody killed it; until cancelled."""
        while True:
            await asyncio.to_thread(self.nats.process.wait)
            self.broker_kills += 1
            await asyncio.to_thread(self.nats.start)


@dataclass
class Request:
    """One request, and the lives of the executors that work on it."""

    crashing: Crashing
    key: Key
    steps: list[Step]
    asked: bool
    lasting_s: float

    async def prepare(self, way: str) -> None:
        """Whatever comes before this way."""
        if way == "approved":
            await self.live()
            await self.approve()

    async def live(self, fault: Fault | None = None) -> int:
        """One executor's life; its exit status. Paused, it goes on when another one has done what there is to do."""
        at = fault.at if fault else 0
        kind = fault.kind if fault else "executor"
        command = self._command() | {
            "at": at,
            "process": self.crashing.nats.pid if kind == "broker" else 0,
            "signal": signal.SIGSTOP if kind == "pause" else signal.SIGKILL,
        }
        number, status = await self.crashing.workers.run(command)
        if status == -signal.SIGKILL:
            append(self.crashing.effects, f"{self.key.request_id} {DEAD} {ENDED}")
        if status != STOPPED:
            return status
        self.crashing.pauses += 1
        other = await self.live()
        return await self.crashing.workers.wake(number) or other

    def _command(self) -> dict[str, Any]:
        return {
            "url": self.crashing.nats.url,
            "directory": str(self.directory),
            "seeds": self.crashing.scene.seeds,
            "effects": str(self.crashing.effects),
            "lasting_s": self.lasting_s,
            "points": str(self.directory / "points"),
            "request_id": self.key.request_id,
            "steps": [step.model_dump(mode="json") for step in self.steps],
            "bug": self.crashing.bug,
        }

    @property
    def directory(self) -> Path:
        """Where its executors keep their files."""
        return self.crashing.directory / self.key.request_id

    @property
    def points(self) -> int:
        """How many points the last life had that came to its end."""
        return int((self.directory / "points").read_text())

    async def story(self) -> Story:
        """Its facts."""
        return await patiently(lambda: self.crashing.scene.story(self.key))

    async def way(self) -> str:
        """Which way the next executor goes."""
        story = await self.story()
        return "alone" if not self.asked else "asking" if story.round is None else "approved"

    async def is_finished(self) -> bool:
        """Whether it has its outcome."""
        return (await self.story()).finish is not None

    async def approve(self) -> None:
        """Say yes where people are asked."""
        story = await self.story()
        if self.asked and story.round is not None and story.round.decided is None and not story.round.given:
            await patiently(lambda: self.crashing.scene.say(self.key, "sam"))

    async def findings(self) -> list[str]:
        """What does not hold."""
        lines = self.crashing.effect_lines()
        done = Counter(int(step) for request_id, step, *end in lines if request_id == self.key.request_id and not end)
        return findings(Evidence(await self.story(), done, len(self.steps), self.asked))


def whole(number: str, usual: int) -> int:
    """A whole number from the environment."""
    return int(os.environ.get(number, "") or usual)
