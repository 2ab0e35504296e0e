"""The cache checker's processes and servers, and the faults that befall them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from cache_world import HOLDERS, WRITERS, Cell, World
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.testing.broken_wire import BrokenWire
from opswire.chassis.testing.waiting import until_told
from redis.asyncio import Redis

SCRIPT = Path(__file__).with_name("cache_processes.py")
EVENT_TIMEOUT_S = 60
Fault = Callable[["CacheSystem"], Awaitable[None]]


class CacheSystem:
    """Three holders, two writers and an acknowledger as processes of their own, on a real broker and a real Valkey."""

    def __init__(self, directory: Path, nats: NatsServer, valkey: ValkeyServer) -> None:
        self.nats = nats
        self.valkey = valkey
        self.world = World(directory / "world")
        self._directory = directory
        self._wires: list[BrokenWire] = []
        self._urls: list[str] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = 0

    async def start(self) -> None:
        """Start everything and wait until each holder has served from memory and each writer was acknowledged."""
        for _ in range(HOLDERS):
            wire = BrokenWire(self.nats.port)
            self._wires.append(wire)
            self._urls.append(await wire.start())
        self._launch("acknowledger", 0, self.nats.url)
        for number in range(HOLDERS):
            self._launch("holder", number, self._urls[number])
        for number in range(WRITERS):
            self._launch("writer", number, self.nats.url)
        await self.until(lambda: all(self.world.writes) and all(self.memory_hits(n) for n in range(HOLDERS)))

    def _launch(self, role: str, number: int, nats_url: str) -> None:
        self._starts += 1
        log_path = self._directory / f"{role}-{number}-{self._starts}.log"
        arguments = [role, str(number), str(self._directory / "world"), nats_url, self.valkey.url]
        with log_path.open("wb") as log:
            self._processes[f"{role}-{number}"] = subprocess.Popen(
                [sys.executable, str(SCRIPT), *arguments], stdout=log, stderr=subprocess.STDOUT
            )

    async def stop(self) -> None:
        """End everything."""
        self.world.end()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            try:
                await asyncio.to_thread(process.wait, 5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for wire in self._wires:
            wire.stop()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of the world."""

        async def holds() -> bool:
            self.assert_alive()
            return condition()

        await until_told(holds, EVENT_TIMEOUT_S)

    def assert_alive(self) -> None:
        """Nobody may end by itself."""
        ended = {name: process.returncode for name, process in self._processes.items() if process.poll() is not None}
        assert not ended, f"{ended}; see the logs in {self._directory}"

    def memory_hits(self, holder: int) -> int:
        """What a holder served from memory."""
        return self.world.counts(holder)[Cell.MEMORY]

    async def invalidations(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = self.world.writes_total + count
        await self.until(lambda: self.world.writes_total >= wanted)

    async def served_again(self, holder: int) -> None:
        """Wait until a holder serves from memory again."""
        wanted = self.memory_hits(holder) + 100
        await self.until(lambda: self.memory_hits(holder) >= wanted)

    async def bypassed(self, holder: int) -> None:
        """Wait until a holder reads past its caches."""
        wanted = self.world.counts(holder)[Cell.BYPASS] + 10
        await self.until(lambda: self.world.counts(holder)[Cell.BYPASS] >= wanted)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """A process by role and number."""
        return self._processes[name]

    async def replace(self, name: str) -> None:
        """Kill a process and start another in its place."""
        role, _, number = name.rpartition("-")
        process = self._processes.pop(name)
        process.kill()
        await asyncio.to_thread(process.wait)
        url = self._urls[int(number)] if role == "holder" else self.nats.url
        self._launch(role, int(number), url)

    def wire(self, holder: int) -> BrokenWire:
        """A holder's way to the broker."""
        return self._wires[holder]


def any_holder() -> int:
    """One of them, by chance."""
    return random.randrange(HOLDERS)


@contextlib.asynccontextmanager
async def paused(process_id: int) -> AsyncIterator[None]:
    """A process that stands still meanwhile."""
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


async def pause_a_holder(system: CacheSystem) -> None:
    """It wakes up outside its lease, in a world that went on."""
    holder = any_holder()
    async with paused(system.process(f"holder-{holder}").pid):
        await system.invalidations(10)
    await system.served_again(holder)


async def kill_a_holder(system: CacheSystem) -> None:
    """Another takes its place; the shared level is what it finds."""
    holder = any_holder()
    await system.replace(f"holder-{holder}")
    await system.served_again(holder)


async def cut_a_bus(system: CacheSystem) -> None:
    """A holder without the broker, for a while."""
    holder = any_holder()
    wire = system.wire(holder)
    wire.is_closed = True
    wire.cut()
    await system.bypassed(holder)
    await system.invalidations(10)
    wire.is_closed = False
    await system.served_again(holder)


async def delay_a_bus(system: CacheSystem) -> None:
    """Nothing is lost, but all of it comes late, and the answers to old questions with it."""
    holder = any_holder()
    wire = system.wire(holder)
    wire.may_pass.clear()
    await system.invalidations(10)
    wire.may_pass.set()
    await system.served_again(holder)


async def restart_nats(system: CacheSystem) -> None:
    """Everybody's broker is gone, and comes back with what it had stored."""
    system.nats.kill()
    await system.bypassed(any_holder())
    await asyncio.to_thread(system.nats.start)
    await system.invalidations(10)
    await system.served_again(any_holder())


async def kill_the_acknowledger(system: CacheSystem) -> None:
    """A new one has to learn who is there before it says anything."""
    await system.replace("acknowledger-0")
    await system.invalidations(10)


async def kill_valkey(system: CacheSystem) -> None:
    """Gone for a while, and back without anything."""
    system.valkey.kill()
    await system.invalidations(10)
    await asyncio.to_thread(system.valkey.start)
    await system.invalidations(10)


async def pause_valkey(system: CacheSystem) -> None:
    """It answers late, and what it answers is old."""
    async with paused(system.valkey.pid):
        await system.invalidations(10)
    await system.invalidations(10)


async def empty_valkey(system: CacheSystem) -> None:
    """As if another had flushed it."""
    async with Redis.from_url(system.valkey.url) as client:
        await client.flushall()
    await system.invalidations(10)


async def turn_a_clock(system: CacheSystem) -> None:
    """A holder's wall clock jumps by up to an hour, forwards or back."""
    system.world.counts(any_holder())[Cell.CLOCK_S] = random.randrange(-3_600, 3_600)
    await system.invalidations(10)


FAULTS: tuple[Fault, ...] = (
    pause_a_holder,
    kill_a_holder,
    cut_a_bus,
    delay_a_bus,
    restart_nats,
    kill_the_acknowledger,
    kill_valkey,
    pause_valkey,
    empty_valkey,
    turn_a_clock,
)
