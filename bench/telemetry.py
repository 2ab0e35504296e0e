"""What telemetry costs a request: the pipeline's CPU at full load with it and without it, in one run on one machine.

    just bench telemetry [--rounds 3] [--requests 3000] [--json]

Both have the same four services, broker, inventory and load; rounds are interleaved. On: spans to the local store, and
metrics made of them. Off: `OPSWIRE_TELEMETRY=off`. CPU time of the four processes, which says the same on a busy
machine; the exporter's threads are part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.provision import provision

from bench.load import Load
from bench.pipeline import (
    HOSTS,
    SERVICES,
    changes_are_published,
    cpu_seconds,
    fill_inventory,
    our_commands,
    processes,
    wait_ready,
)

CONCURRENCY = 64
WARMING = 500
SHARE_MAX = 0.25


async def cpu_us(telemetry: str, requests: int) -> float:
    """Microseconds of CPU of the four services for one request, at 64 at a time."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        directory = Path(name)
        with NatsServer(directory / "nats", sync_always=False) as server, ValkeyServer(directory / "valkey") as valkey:
            await provision(server.url)
            await fill_inventory(directory)
            ports = {service: free_port() for service in SERVICES}
            commands = {
                service: (command, environment | {"OPSWIRE_TELEMETRY": telemetry})
                for service, (command, environment) in our_commands(server.url, valkey.url, directory, ports).items()
            }
            with processes(commands, directory) as pids:
                await wait_ready(ports)
                await changes_are_published(ports["assets"])
                return await under_load(server.url, pids, requests)


async def under_load(url: str, pids: dict[str, int], requests: int) -> float:
    """The CPU of these processes for one request. Raises RuntimeError where one did not complete."""
    async with Load(url, lambda number: f"what's the ip of host-{number % HOSTS:04}", expected="completed") as load:
        await load.run(CONCURRENCY, WARMING)
        before = sum(map(cpu_seconds, pids.values()))
        measured = await load.run(CONCURRENCY, requests)
        after = sum(map(cpu_seconds, pids.values()))
    if measured.failed:
        raise RuntimeError(f"{measured.failed} of {requests} requests did not complete")
    return (after - before) * 1e6 / requests


async def measure(rounds: int, requests: int) -> dict[str, float]:
    """Medians over interleaved rounds, and the share of telemetry in the pipeline's CPU."""
    found: dict[str, list[float]] = {"on": [], "off": []}
    for number in range(rounds):
        for telemetry, values in found.items():
            print(f"round {number + 1} of {rounds}: telemetry {telemetry} ...", file=sys.stderr, flush=True)
            values.append(await cpu_us(telemetry, requests))
    on, off = statistics.median(found["on"]), statistics.median(found["off"])
    return {"on_us": on, "off_us": off, "cost_us": on - off, "share": (on - off) / on, "more": (on - off) / off}


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(prog="just bench telemetry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds; medians are printed")
    parser.add_argument("--requests", type=int, default=3_000, help="requests in each round")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    found = asyncio.run(measure(options.rounds, options.requests))
    if options.json:
        print(json.dumps(found))
        return
    print(f"telemetry on   {found['on_us']:6.0f} us CPU a request")
    print(f"telemetry off  {found['off_us']:6.0f} us CPU a request")
    print(f"share of telemetry in the pipeline's CPU: {found['share']:.0%} (aim at most {SHARE_MAX:.0%});", end=" ")
    print(f"on is {found['more']:.0%} more than off")


if __name__ == "__main__":
    main()
