"""Executors killed at every point of a change, and the broker beside them: done at most once, told once, never guessed.

Every run is one request with one to three faults: an executor killed (or paused for longer than its claim) at an await
or a message, or the broker killed there. The first falls on another point in every run, until all had their turn. Then
executors live, and what stands in the broker is compared with what the tools really did; the audit trail, which is
written all the while, verifies.

The same with two requests at a time that change one asset: never both at once, however their executors die.

200 runs here, and 20 of two; `just faults` does 5,000 (`OPSWIRE_CRASH_RUNS`). A failure prints its seed:
`OPSWIRE_CRASH_SEED` plays the same faults again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from change_scene import Scene
from crash_bugs import BUGS, CONTESTED, WAYS
from crash_scene import Crashing, Fault, whole
from crash_worker import quiet
from crash_workers import Workers
from opswire.chassis.anchors import FileAnchors
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.ending import end_all
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
RUNS_PER_CONTEST = 10
"""So many requests for themselves go with one contest of two."""
PAIRS_OF_A_WAY = 4
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
    await end_all([following])
    await client.close()


async def played(
    play: Callable[..., Awaitable[list[str]]], faults: Iterable[Sequence[Fault]], first_only: bool = False
) -> dict[int, str]:
    """What was found, some playing at once: by the faults that one play is given. `first_only` ends with the first."""
    waiting = enumerate(faults)
    found: dict[int, str] = {}

    async def go_on() -> None:
        for number, firsts in waiting:
            sentences = await play(number, *firsts)
            if sentences:
                found[number] = f"{firsts}: {'; '.join(sentences)}"
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
    found = await played(crashing.one, ((fault,) for fault in itertools.islice(everything, RUNS)))
    assert not found, f"seed {SEED}: {len(found)} of {RUNS}: {dict(list(found.items())[:5])}"
    assert crashing.workers.killed > RUNS / 2, "the executors were hardly ever killed"
    assert crashing.broker_kills > RUNS / 50, "the broker was hardly ever killed"
    assert crashing.pauses > RUNS / 50, "the executors were hardly ever paused"
    assert await auditor.findings() == [], f"seed {SEED}"


def pairs(crashing: Crashing, dice: random.Random) -> Iterator[tuple[Fault, Fault]]:
    """Two faults for two requests that go the same way at the same time; no end."""
    while True:
        way = dice.choice(("approved", "alone"))
        first, second = ([each for each in crashing.every_point(dice, way) if each.kind != "broker"] for _ in range(2))
        yield from zip(first[:PAIRS_OF_A_WAY], second, strict=False)


@pytest.mark.faults
@pytest.mark.timeout(120 + RUNS)
async def test_two_requests_are_never_at_one_asset_at_once(crashing: Crashing, auditor: Auditor) -> None:
    contests = pairs(crashing, random.Random(SEED))
    found = await played(crashing.contest, itertools.islice(contests, max(1, RUNS // RUNS_PER_CONTEST)))
    assert not found, f"seed {SEED}: {len(found)}: {dict(list(found.items())[:5])}"
    assert crashing.workers.killed > RUNS / RUNS_PER_CONTEST / 2, "the executors were hardly ever killed"
    assert await auditor.findings() == [], f"seed {SEED}"


@pytest.mark.faults
@pytest.mark.timeout(120 + RUNS)
@pytest.mark.parametrize("bug", CONTESTED)
async def test_contests_catch(crashing: Crashing, bug: str) -> None:
    """Each fault of the locks is found where two requests change one asset."""
    crashing.bug = bug
    contests = itertools.islice(pairs(crashing, random.Random(SEED)), RUNS_OF_A_BUG)
    assert await played(crashing.contest, contests, first_only=True), f"seed {SEED}: {bug} was not noticed"


@pytest.mark.faults
@pytest.mark.parametrize("bug", [name for name in BUGS if name not in ("none", *CONTESTED)])
async def test_the_crashes_catch(crashing: Crashing, bug: str) -> None:
    """Each fault in the executor is found by what is checked after the crashes."""
    crashing.bug = bug
    dice = random.Random(SEED)
    points = crashing.every_point(dice, *WAYS.get(bug, ("approved",)))
    faults = [Fault(each.way, each.at) for each in points if each.kind != "broker"]
    singly = ((fault,) for fault in faults[:RUNS_OF_A_BUG])
    assert await played(crashing.one, singly, first_only=True), f"seed {SEED}: {bug} was not noticed"
