"""The checker catches every single-rule mutant of the cache protocol, each on a schedule that needs no chance.

The judge is that of the long run: a read that began after an acknowledgement and answers an older version. The protocol
as it is passes every schedule; each mutant breaks one rule and is caught by the schedule that is about that rule.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.acknowledger import Acknowledger
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.entry import Entry
from opswire.chassis.caching.invalidator import Invalidator, NotInForceError
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.stream_state import StreamState
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.broken_wire import BrokenWire
from opswire.chassis.testing.cache_parts import NumberCodec, StampAfterLoad
from opswire.chassis.testing.waiting import one_turn, until
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.holder_reported import HolderReported


class NoStampCheck(Cache[int]):
    def _is_good(self, entry: Entry[int]) -> bool:
        return self._log.inside_lease


class NoCheckOnJoin(Cache[int]):
    async def _join(self, key: str) -> Entry[int] | None:
        flight = self._flights.get(key)
        return None if flight is None else await asyncio.shield(flight.joined())


class LeaseFromReply(InvalidationLog):
    def _extend_lease(self, asked_s: float) -> None:
        super()._extend_lease(asyncio.get_running_loop().time())


class NoHistoryCheck(InvalidationLog):
    def _is_other_history(self, state: StreamState, before: int) -> bool:
        return False

    def _is_same(self, sequence: int, stored_ns: int) -> bool:
        return True


class NoWait(Acknowledger):
    def _wait_for_holders(self, sequence: int, invalidation: CachesInvalidated) -> None:
        super()._wait_for_holders(sequence, invalidation)
        self._waiting[invalidation.nonce].holders.clear()


class BySequence(Acknowledger):
    """Whoever reported so high a sequence has read the invalidation: wrong after a roll-back."""

    def __init__(self, bus: Bus, log: InvalidationLog) -> None:
        self.highest: dict[str, int] = {}
        super().__init__(bus, log)

    def _wait_for_holders(self, sequence: int, invalidation: CachesInvalidated) -> None:
        super()._wait_for_holders(sequence, invalidation)
        reported = {holder for holder, highest in self.highest.items() if highest >= sequence}
        self._waiting[invalidation.nonce].reported |= reported

    def _on_report(self, subject: str, reply: str, body: bytes, header: bytes | None) -> None:
        report = HolderReported.from_bytes(body)
        self.highest[report.holder_id] = max(report.applied, self.highest.get(report.holder_id, 0))
        super()._on_report(subject, reply, body, header)


@dataclass
class Parts:
    """The protocol, whole or with one part replaced by a mutant."""

    cache: type[Cache[int]] = Cache
    log: type[InvalidationLog] = InvalidationLog
    acknowledger: type[Acknowledger] = Acknowledger


@dataclass
class Scene:
    """One holder under test, a cache service, a writer, the truth and the judgement."""

    nats: NatsServer
    directory: Path
    parts: Parts
    version: int = 0
    acknowledged: int = 0
    stale: int = 0
    wire: BrokenWire = field(init=False)
    log: InvalidationLog = field(init=False)
    bus: Bus = field(init=False)
    cache: Cache[int] = field(init=False)
    acknowledger: Acknowledger = field(init=False)
    invalidator: Invalidator = field(init=False)
    buses: list[Bus] = field(default_factory=list)

    async def connected(self, service: str, url: str) -> Bus:
        bus = Bus(service, ServiceSettings(nats_url=url))
        await bus.connect()
        self.buses.append(bus)
        return bus

    async def start(self) -> None:
        self.wire = BrokenWire(self.nats.port)
        service, metrics = await self.connected("cache", self.nats.url), Metrics()
        service_log = InvalidationLog(service, metrics, "cache")
        self.acknowledger = self.parts.acknowledger(service, service_log)
        self.invalidator = Invalidator(service, service_log)
        await service_log.start()
        await self.acknowledger.start()
        await self.invalidator.start()
        self.bus = await self.connected("holder", await self.wire.start())
        self.log = self.parts.log(self.bus, metrics, "holder")
        self.cache = self.parts.cache("check", NumberCodec(), self.log, None, metrics, ttl_s=60)
        await self.log.start()
        await until(lambda: {"cache", "holder"} <= {one.service for one in self.acknowledger.registry.holders})
        await self.trusted()

    async def stop(self) -> None:
        await self.log.stop()
        await self.acknowledger.stop()
        for bus in self.buses:
            await bus.client.close()
        self.wire.stop()

    async def trusted(self) -> None:
        await until(lambda: asyncio.get_running_loop().time() >= self.acknowledger._trusted_from_s)

    async def load(self) -> tuple[int, list[str]]:
        return self.version, ["k"]

    async def read(self, load: Callable[[], Awaitable[tuple[int, list[str]]]] | None = None) -> None:
        """Read and judge: older than what was acknowledged before the read began is stale."""
        floor = self.acknowledged
        value, _ = await self.cache.read("k", load or self.load)
        self.stale += value < floor

    async def fill(self) -> None:
        """Until the holder serves from memory."""
        async with asyncio.timeout(30):
            while self.cache.read_now("k") != self.version:
                await until(lambda: self.log.inside_lease)
                await self.read()

    async def change(self) -> None:
        """The truth changes, and that is acknowledged."""
        self.version += 1
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(NotInForceError):
                    await self.invalidator.invalidate(["k"], "check")
                    break
        self.acknowledged = self.version

    @contextlib.contextmanager
    def deaf(self) -> Any:
        """The holder hears the log late: what comes is kept, and given to it afterwards."""
        client, number = self.bus.client, self.log._subscription
        callback, kept = client._direct[number], []
        client._direct[number] = lambda *message: kept.append(message)
        try:
            yield
        finally:
            client._direct[number] = callback
            for message in kept:
                callback(*message)


@contextlib.asynccontextmanager
async def under_way(scene: Scene) -> AsyncIterator[None]:
    """A load begins, the truth changes and that is acknowledged; the load ends after the block."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> tuple[int, list[str]]:
        found = scene.version
        begun.set()
        await may_end.wait()
        return found, ["k"]

    await until(lambda: scene.log.inside_lease)
    reading = asyncio.create_task(scene.read(slow))
    await begun.wait()
    await scene.change()
    await until(lambda: scene.log.inside_lease)
    yield
    may_end.set()
    await reading


async def late_fill(scene: Scene) -> None:
    """A load ends after the change was acknowledged. Who reads next?"""
    async with under_way(scene):
        pass
    await scene.read()


async def late_join(scene: Scene) -> None:
    """The same, but a read that began after the acknowledgement finds the load under way."""
    async with under_way(scene):
        joining = asyncio.create_task(scene.read())
        await one_turn()  # it has joined the flight
    await joining


async def deaf_holder(scene: Scene) -> None:
    """The holder does not hear of the change in time; it may serve the old value for the rest of its lease."""
    await scene.fill()
    with scene.deaf():
        await scene.change()
        await scene.read()


async def late_reply(scene: Scene) -> None:
    """The answer to where the log ends was given before the change and arrives after its acknowledgement."""
    await scene.fill()
    asked, may_arrive, arrived = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ask = scene.bus.request_json

    async def slow(subject: str, body: object) -> dict[str, Any]:
        answer = await ask(subject, body)
        if not asked.is_set():
            asked.set()
            await may_arrive.wait()
            arrived.set()
        return answer

    scene.bus.request_json = slow  # type: ignore[method-assign]
    await asked.wait()
    scene.bus.request_json = ask  # type: ignore[method-assign]
    with scene.deaf():
        await scene.change()
        may_arrive.set()
        await arrived.wait()
        await one_turn()  # the answer is taken
        await scene.read()


async def rolled_back(scene: Scene, lost: int) -> None:
    """The broker loses the last messages that it had acknowledged, and the holder is away until it has grown again."""
    past = scene.directory / f"past-{scene.version}"
    await asyncio.to_thread(scene.nats.stop)
    shutil.copytree(scene.nats.store_dir, past)
    await asyncio.to_thread(scene.nats.start)
    await until(lambda: all(bus.is_connected for bus in scene.buses))
    for _ in range(lost):
        await scene.change()
    await scene.fill()
    await asyncio.to_thread(scene.nats.kill)
    shutil.rmtree(scene.nats.store_dir)
    shutil.copytree(past, scene.nats.store_dir)
    await asyncio.to_thread(scene.nats.start)
    await until(lambda: all(bus.is_connected for bus in scene.buses))


async def rolled_back_log(scene: Scene) -> None:
    """The holder has followed further than the log now goes: what is new lies where it has been already."""
    await rolled_back(scene, lost=20)
    await until(lambda: scene.log.inside_lease)
    await scene.change()
    await scene.read()


async def sequences_again(scene: Scene) -> None:
    """After a roll-back, an invalidation has a sequence that the holder reported long ago, for another one."""
    await rolled_back(scene, lost=20)
    await until(lambda: scene.acknowledger.registry.is_complete and "all" in scene.log.tag_sequences)
    await scene.trusted()
    await scene.fill()
    with scene.deaf():
        await scene.change()
        await scene.read()


Schedule = Callable[[Scene], Awaitable[None]]
SCHEDULES: tuple[Schedule, ...] = (late_fill, late_join, deaf_holder, late_reply, rolled_back_log, sequences_again)
MUTANTS: dict[str, tuple[Parts, Schedule]] = {
    "stamp after load": (Parts(cache=StampAfterLoad), late_fill),
    "no stamp check": (Parts(cache=NoStampCheck), late_fill),
    "no wait": (Parts(acknowledger=NoWait), deaf_holder),
    "lease counted from the reply": (Parts(log=LeaseFromReply), late_reply),
    "no check on join": (Parts(cache=NoCheckOnJoin), late_join),
    "no history check": (Parts(log=NoHistoryCheck), rolled_back_log),
    "acknowledgement by sequence": (Parts(acknowledger=BySequence), sequences_again),
}
AGAIN_MAX = 5
Play = Callable[[Parts, Schedule], Awaitable[Scene]]


@pytest.fixture
async def play(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Play]:
    scenes: list[Scene] = []

    async def played(parts: Parts, schedule: Schedule) -> Scene:
        scene = Scene(nats_server, tmp_path, parts)
        await scene.start()
        scenes.append(scene)
        await schedule(scene)
        return scene

    yield played
    for scene in scenes:
        await scene.stop()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.__name__)
async def test_the_protocol_as_it_is_passes(play: Play, schedule: Schedule) -> None:
    scene = await play(Parts(), schedule)
    assert scene.acknowledged > 0
    assert scene.stale == 0


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_mutant_is_caught(play: Play, mutant: str) -> None:
    parts, schedule = MUTANTS[mutant]
    scene = await play(parts, schedule)
    for _ in range(AGAIN_MAX):
        if scene.stale:
            break
        await schedule(scene)  # the machine was so busy that the holder's lease ran out by itself
    assert scene.stale > 0
