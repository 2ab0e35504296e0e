"""The inventory at size: how long an import takes, how fast names are found in it, what it holds in memory.

    just bench inventory [--assets 100000] [--url postgresql://...] [--within-s 60] [--json]

A CSV of so many hosts and services is imported as the service does it (read, checked, stored with its outbox rows),
then looked up as a request does it, without the cache: names, short names, addresses and names of nobody, each once and
in random order. SQLite's file is made in a temporary folder; another database must be empty. The last figures are of
the outbox on a real broker with durable writes: how fast it empties, and what that costs somebody else's publish.
An import that takes longer than `--within-s` ends it with status 1, after the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from opswire.assets.adapters.outbox_publisher import OutboxPublisher
from opswire.assets.adapters.sql_reader import SqlReader
from opswire.assets.inventory.store import Inventory
from opswire.assets.usecases.import_inventory import diff_inventory, import_inventory
from opswire.assets.usecases.resolve import resolve
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.facts import Facts
from opswire.chassis.provision import provision
from opswire.chassis.publisher import Publisher
from opswire.chassis.sending import Sender
from opswire.chassis.wire import WireClient
from opswire.contracts.findings import Entity, IntentFinding
from opswire.contracts.routes import FACTS
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, Risk
from prometheus_client import CollectorRegistry, Counter

LOOKUPS = 5_000
PROBES = 300
IMPORT_WITHIN_S = 60.0
"""What 100,000 assets may take on SQLite, on two cores. Other work on them stretches it: see its time on a core."""
MAPPING = "name=name,type=type,environment=environment,address=address,site=site,owner=owner,groups=groups,attributes=*"
SEED = 20_261


def file_of(count: int) -> str:
    """A CSV of hosts and, on every fourth, a service; the names are unlike each other as real ones are."""
    lines = ["name,type,environment,address,site,owner,groups,ssh_port,rack,serial"]
    for number in range(count):
        site, environment = f"dc{number % 24}", ("production", "staging", "test")[number % 3]
        kind = "service" if number % 4 == 3 else "host"
        name = f"{kind}-{number:06}.{site}.example.net"
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        owner, group = f"team-{number % 40}", f"group-{number % 300}"
        lines.append(f"{name},{kind},{environment},{address},{site},{owner},{group},22,r{number % 900},SN{number:08}")
    return "\n".join(lines) + "\n"


def memory_mb(field: str) -> float:
    """This process's memory in MB: `VmRSS` now, `VmHWM` at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1_024


def quantiles(values_ms: Sequence[float]) -> dict[str, float]:
    """Median and p99."""
    ordered = sorted(values_ms)
    return {"median_ms": statistics.median(ordered), "p99_ms": ordered[int(len(ordered) * 0.99)]}


async def timed(work: Callable[[Any], Awaitable[Any]], inputs: Sequence[Any]) -> dict[str, float]:
    """Each input once, one after another."""
    taken: list[float] = []
    for one in inputs:
        begun = time.perf_counter()
        await work(one)
        taken.append((time.perf_counter() - begun) * 1e3)
    return quantiles(taken)


async def lookups(inventory: Inventory, count: int) -> dict[str, dict[str, float]]:
    """Every kind of reading, in milliseconds."""
    chance = random.Random(SEED)
    numbers = chance.sample(range(count), min(LOOKUPS, count))
    names = [f"{'service' if n % 4 == 3 else 'host'}-{n:06}.dc{n % 24}.example.net" for n in numbers]
    reader = SqlReader(inventory, inventory.system)

    async def request(name: str) -> object:
        entity = Entity(type=EntityType.HOST, value=name)
        intent = IntentFinding(
            name=IntentName.STATUS_CHECK, confidence=1.0, entities=[entity], risk=Risk.LOW, source=IntentSource.RULE
        )
        return await resolve(intent, reader)

    return {
        "a request by name": await timed(request, names),
        "a request by short name": await timed(request, [name.partition(".")[0] for name in reversed(names)]),
        "one read by name": await timed(inventory.by_name, chance.sample(names, len(names))),
        "one read by address": await timed(
            inventory.by_address, [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in numbers]
        ),
        "names like a misspelt one": await timed(inventory.near, [f"x{name[:3]}{name[4:]}" for name in names[:20]]),
    }


async def emptying(inventory: Inventory, outbox_id: int, seconds_max: float) -> dict[str, float]:
    """The outbox up to a row, on a broker of its own: rows a second, and another client's durable publishes then."""
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder) / "nats") as server:
        await provision(server.url)
        client, other = WireClient(), WireClient()
        for one in (client, other):
            await one.connect(server.url)
        publisher, probing = Publisher(client), Publisher(other)
        await publisher.start()
        await probing.start()
        counter = Counter("published", "Changes published.", registry=CollectorRegistry())
        sender = Sender("assets", client, publisher, Facts(client, publisher, FACTS))

        async def probe(number: int) -> None:
            subject = f"opswire.v1.bench.{time.time_ns()}-{number}.submitted"
            await probing.publish(subject, b"", b"{}" * 200, timeout_s=10)
            await asyncio.sleep(0.005)  # about as many as a busy system sends

        idle = await timed(probe, range(PROBES))
        task = asyncio.create_task(OutboxPublisher(inventory, sender, counter, 0.1).run())
        begun = time.perf_counter()
        meanwhile = await timed(probe, range(PROBES))
        await inventory.wait_sent(outbox_id, seconds_max)
        rate = counter._value.get() / (time.perf_counter() - begun)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
        await other.close()
    pause_ms = 5.0
    return {
        "rows_per_s": rate,
        "probe_idle_median_ms": idle["median_ms"] - pause_ms,
        "probe_meanwhile_median_ms": meanwhile["median_ms"] - pause_ms,
        "probe_idle_p99_ms": idle["p99_ms"] - pause_ms,
        "probe_meanwhile_p99_ms": meanwhile["p99_ms"] - pause_ms,
    }


async def measure(url: str, count: int) -> dict[str, Any]:
    """Everything, in order."""
    text = file_of(count)
    inventory = await Inventory.open(url)
    before_mb = memory_mb("VmRSS")
    begun, begun_on_core = time.perf_counter(), time.process_time()
    report = await import_inventory(inventory, text, None, "bench.csv", MAPPING)
    import_s, import_on_core_s = time.perf_counter() - begun, time.process_time() - begun_on_core
    if report.created != count:
        raise SystemExit(f"the database was not empty: {report.created} of {count} were created")
    most_mb = memory_mb("VmHWM")
    begun = time.perf_counter()
    difference = await diff_inventory(inventory, text, None, "bench.csv", MAPPING)
    diff_s = time.perf_counter() - begun
    if difference.unchanged != count:
        raise SystemExit(f"only {difference.unchanged} of {count} came back as they went in")
    outbox_id = report.outbox_id
    del text, report, difference
    gc.collect()
    found = {
        "system": inventory.system,
        "assets": count,
        "import_s": import_s,
        "import_on_core_s": import_on_core_s,
        "load_average": os.getloadavg()[0],
        "diff_s": diff_s,
        "memory_before_mb": before_mb,
        "memory_during_import_mb": most_mb,
        "lookups": await lookups(inventory, count),
        "memory_serving_mb": memory_mb("VmRSS"),
        "outbox": await emptying(inventory, outbox_id, seconds_max=10),
    }
    await inventory.close()
    return found


def show(found: dict[str, Any]) -> None:
    """For people."""
    print(f"{found['assets']:,} assets in {found['system']}")
    print(
        f"  import {found['import_s']:.1f} s, {found['import_on_core_s']:.1f} s of them on a core, load average "
        f"{found['load_average']:.1f}; compared again with the inventory {found['diff_s']:.1f} s"
    )
    print(
        f"  memory {found['memory_before_mb']:.0f} MB before, {found['memory_during_import_mb']:.0f} MB at most in the "
        f"import, {found['memory_serving_mb']:.0f} MB after {LOOKUPS:,} reads of each kind"
    )
    for name, times in found["lookups"].items():
        print(f"  {name:28} median {times['median_ms']:8.3f} ms   p99 {times['p99_ms']:8.3f} ms")
    outbox = found["outbox"]
    print(f"  outbox: {outbox['rows_per_s']:.0f} changes a second; another client's durable publish meanwhile")
    print(
        f"    median {outbox['probe_meanwhile_median_ms']:.2f} ms (idle {outbox['probe_idle_median_ms']:.2f}), "
        f"p99 {outbox['probe_meanwhile_p99_ms']:.2f} ms (idle {outbox['probe_idle_p99_ms']:.2f})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="just bench inventory", description=__doc__)
    parser.add_argument("--assets", type=int, default=100_000, help="how many")
    parser.add_argument("--url", help="a SQLAlchemy URL of an empty database; without it SQLite in a temporary folder")
    parser.add_argument("--within-s", type=float, default=IMPORT_WITHIN_S, help="how long the import may take")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{folder}/inventory.sqlite3"
        found = asyncio.run(measure(url, options.assets))
    print(json.dumps(found, indent=2)) if options.json else show(found)
    if found["import_s"] > options.within_s:
        raise SystemExit(f"the import took {found['import_s']:.1f} s; it may take {options.within_s:g} s")


if __name__ == "__main__":
    main()
