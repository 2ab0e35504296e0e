"""Executors killed at every point of a change, and the broker beside them: done at most once, told once, never guessed.

Every run is one request with one to three faults: an executor killed (or paused for longer than its claim) at an await
or a message, or the broker killed there. The first falls on another point in every run, until all had their turn. Then
executors live, and what stands in the broker is compared with what the tools really did; the audit trail, which is
written all the while, verifies.

200 runs here; `just faults` does 5,000 (`OPSWIRE_CRASH_RUNS`). A failure prints its seed: `OPSWIRE_CRASH_SEED` plays
the same faults again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from change_scene import Scene
from crash_bugs import BUGS, WAYS
from crash_scene import Crashing, Fault, whole
from crash_worker import quiet
from crash_workers import Workers
from opswire.chassis.anchors import FileAnchors
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.high_water import HighWater
from opswire.chassis.provision import provision
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.stream_guard import StreamGuard
from opswire.chassis.testing.waiting import until
from opswire.chassis.wire import WireClient
from opswire.cli.audit import Trail
from opswire.contracts.routes import FACTS
from opswire.executor.adapters.audit_log import AuditLog

RUNS = whole("OPSWIRE_CRASH_RUNS", 200)
SEED = whole("OPSWIRE_CRASH_SEED", random.SystemRandom().randrange(1_000_000))
AT_ONCE = 12
RUNS_OF_A_BUG = 150
"""At most: the search ends with the first finding, most often within twenty."""


class Auditor:
    """The audit trail's writer, and its verification by the command that people use."""

    def __init__(self, client: WireClient, directory: Path) -> None:
        self._client = client
        self._directory = directory
        self._trail = Trail(client)
        high_water = HighWater(directory)
        high_water.load()
        guard = StreamGuard(self._ask, high_water)
        self.log = AuditLog(lambda: client, self._ask, guard, [FileAnchors(directory)], 0.5)

    async def _ask(self, subject: str, body: object) -> dict[str, Any]:
        reply = await self._client.request(subject, orjson.dumps(body), timeout=5)
        answer: dict[str, Any] = orjson.loads(reply.data)
        return answer

    async def findings(self) -> list[str]:
        """What does not hold of the trail once it holds everything."""
        last = await self._trail.last_sequence(FACTS)
        await until(lambda: self.log.head.positions.get(FACTS, 0) >= last, 60)
        report = await self._trail.verify(self._directory)
        sentences = [finding.sentence for finding in report.findings]
        return sentences if report.compared >= last else [*sentences, f"{report.compared} of {last} are recorded"]


@pytest.fixture
async def crashing(tmp_path: Path, make_context: Any, make_asset: Any) -> AsyncIterator[Crashing]:
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        service = Service("executor", "1", ServiceSettings(nats_url=server.url, http_port=0))
        await service.start()
        workers = Workers()
        await workers.start()
        scene = Scene(service, tmp_path / "scene")
        made = Crashing(server, scene, workers, tmp_path, make_context, make_asset, SEED)
        await made.measure()
        keeper = asyncio.create_task(made.keep_broker())
        yield made
        keeper.cancel()
        await workers.stop()
        await service.stop()


@pytest.fixture
async def auditor(crashing: Crashing, tmp_path: Path) -> AsyncIterator[Auditor]:
    client = WireClient()
    await client.connect(crashing.nats.url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=quiet)
    made = Auditor(client, tmp_path / "audit")
    following = asyncio.create_task(made.log.follow())
    yield made
    while not following.done():
        following.cancel()
        await asyncio.wait([following], timeout=0.5)
    await client.close()


async def played(crashing: Crashing, faults: Iterable[Fault], first_only: bool = False) -> dict[int, str]:
    """One request for each fault, some at once; what was found, by request. `first_only` ends with the first."""
    waiting = enumerate(faults)
    found: dict[int, str] = {}

    async def go_on() -> None:
        for number, fault in waiting:
            sentences = await crashing.one(number, fault)
            if sentences:
                found[number] = f"{fault}: {'; '.join(sentences)}"
            if found and first_only:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(go_on())
    return found


@pytest.mark.faults
@pytest.mark.timeout(120 + RUNS * 3)
async def test_whatever_is_killed_a_change_is_done_once_and_told_once(crashing: Crashing, auditor: Auditor) -> None:
    dice = random.Random(SEED)
    everything = itertools.chain.from_iterable(crashing.every_point(dice) for _ in itertools.count())
    found = await played(crashing, itertools.islice(everything, RUNS))
    assert not found, f"seed {SEED}: {len(found)} of {RUNS}: {dict(list(found.items())[:5])}"
    assert crashing.workers.killed > RUNS / 2, "the executors were hardly ever killed"
    assert crashing.broker_kills > RUNS / 50, "the broker was hardly ever killed"
    assert crashing.pauses > RUNS / 50, "the executors were hardly ever paused"
    assert await auditor.findings() == [], f"seed {SEED}"


@pytest.mark.faults
@pytest.mark.parametrize("bug", [name for name in BUGS if name != "none"])
async def test_the_crashes_catch(crashing: Crashing, bug: str) -> None:
    """Each fault in the executor is found by what is checked after the crashes."""
    crashing.bug = bug
    dice = random.Random(SEED)
    points = crashing.every_point(dice, *WAYS.get(bug, ("approved",)))
    faults = [Fault(each.way, each.at) for each in points if each.kind != "broker"]
    assert await played(crashing, faults[:RUNS_OF_A_BUG], first_only=True), f"seed {SEED}: {bug} was not noticed"
