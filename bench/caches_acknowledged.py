"""How long an invalidation takes until no process serves what it replaced: eight holders, no fault."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path

from opswire.chassis.bus import Bus
from opswire.chassis.caching.acknowledger import Acknowledger
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.caching.log import LEASE_S, InvalidationLog
from opswire.chassis.metrics import Metrics
from opswire.chassis.settings import ServiceSettings

HOLDERS = 8
PAUSE_S = 0.01


async def hold(nats_url: str) -> None:
    """Be one holder until standard input ends."""
    bus = Bus("holder", ServiceSettings(nats_url=nats_url))
    await bus.connect()
    await InvalidationLog(bus, Metrics(), "holder").start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def _launched(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def acknowledgements_ms(nats_url: str, count: int) -> list[float]:
    """From asking for an invalidation to its acknowledgement, one after another."""
    command = [sys.executable, str(Path(__file__)), nats_url]
    with contextlib.ExitStack() as stack:
        for _ in range(HOLDERS):
            holder = stack.enter_context(_launched(command))
            assert holder.stdin
            assert holder.stdout
            stack.callback(holder.stdin.close)
            await asyncio.to_thread(holder.stdout.readline)
        bus = Bus("cache", ServiceSettings(nats_url=nats_url))
        await bus.connect()
        log = InvalidationLog(bus, Metrics(), "cache")
        acknowledger, invalidator = Acknowledger(bus, log), Invalidator(bus, log)
        await log.start()
        await acknowledger.start()
        await invalidator.start()
        await asyncio.sleep(2 * LEASE_S)
        while (await invalidator.invalidate(["warm-up"], "bench")).took_ms > LEASE_S * 1_000:
            pass  # who ended before us without a word is counted out by this
        found: list[float] = []
        for number in range(count):
            begun = time.perf_counter()
            answer = await invalidator.invalidate([f"asset:{number}"], "bench")
            found.append((time.perf_counter() - begun) * 1_000)
            assert len(answer.holders) >= HOLDERS or answer.late
            await asyncio.sleep(PAUSE_S)
        await log.stop()
        await acknowledger.stop()
        await bus.client.close()
    return found


if __name__ == "__main__":
    import uvloop

    uvloop.run(hold(sys.argv[1]))
