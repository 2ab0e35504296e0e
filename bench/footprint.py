"""How long each service takes to start, and how much memory the four hold when idle.

    just bench footprint [--rounds 5] [--json]

Start: from the process' creation until /health/ready answers 200, everything else already running; the classifier is
trained once before. Memory: proportional set size (what is shared counts once), two seconds after all are ready. The
reference is a bare interpreter, started and measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.provision import provision

from bench.pipeline import SERVICES, our_commands, processes, wait_ready

SETTLE_S = 2.0


def proportional_mb(pid: int) -> float:
    """Proportional set size of a process in megabytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def one_round(url: str, valkey_url: str, directory: Path) -> tuple[dict[str, float], float]:
    """Seconds until ready by service, each started alone, and megabytes of all four together."""
    ports = {service: free_port() for service in SERVICES}
    commands = our_commands(url, valkey_url, directory, ports)
    starts: dict[str, float] = {}
    for service in SERVICES:
        begun = time.perf_counter()
        with processes({service: commands[service]}, directory):
            await wait_ready({service: ports[service]})
            starts[service] = time.perf_counter() - begun
    with processes(commands, directory) as pids:
        await wait_ready(ports)
        await asyncio.sleep(SETTLE_S)
        return starts, sum(proportional_mb(pid) for pid in pids.values())


def bare_interpreter_s() -> float:
    """Seconds of starting and ending Python with nothing in it."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begun


async def measure(rounds: int) -> dict[str, object]:
    """Medians over the rounds."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with NatsServer(directory / "nats") as server, ValkeyServer(directory / "valkey") as valkey:
            await provision(server.url)
            await one_round(server.url, valkey.url, directory)  # trains the classifier, fills the file cache
            results = [await one_round(server.url, valkey.url, directory) for _ in range(rounds)]
    starts = {service: statistics.median(start[service] for start, _ in results) for service in SERVICES}
    bare_s = statistics.median(bare_interpreter_s() for _ in range(rounds))
    memory_mb = statistics.median(memory for _, memory in results)
    return {"start_s": starts, "bare_interpreter_s": bare_s, "idle_memory_mb": memory_mb}


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(prog="just bench footprint", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="medians over so many rounds are printed")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    found = asyncio.run(measure(options.rounds))
    if options.json:
        print(json.dumps(found))
        return
    starts = found["start_s"]
    assert isinstance(starts, dict)
    for service, seconds in starts.items():
        print(f"{service:9} ready after {seconds:5.2f} s")
    print(f"bare interpreter     {found['bare_interpreter_s']:5.2f} s")
    print(f"idle memory of the four services together: {found['idle_memory_mb']:.0f} MB")


if __name__ == "__main__":
    main()
