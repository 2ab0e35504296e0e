"""The pipeline against its floor: the same three hops by hand, then ours with telemetry on, in one run on one machine.

    just bench pipeline [--rounds 3] [--requests 3000] [--sync default|always] [--delivery fast|stock] [--json]

Floor: nats-py, msgspec, no telemetry, no checks. Ours: four services, cached intent, a real inventory read (context
cache off), traces to the local store. Same server binary, same stream settings, same load generator. Read the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetRecord
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.provision import provision
from opswire.chassis.testing.histograms import top_heavy
from opswire.contracts.routes import CONTEXT_RESOLVED, FACTS, INTENT_RESOLVED, REQUEST_SUBMITTED
from prometheus_client.parser import text_string_to_metric_families

from bench.load import Load, Measured

CONCURRENCIES = (1, 16, 64)
HOSTS = 1_000
SERVICES = ("intent", "assets", "executor", "cache")
READY_TIMEOUT_S = 60
END_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the rounds, at one concurrency. CPU counts the chain's processes and the broker's."""

    chain: str
    concurrency: int
    p50_ms: float
    p95_ms: float
    requests_per_s: float
    chain_cpu_us: float
    broker_cpu_us: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def processes(commands: dict[str, tuple[list[str], dict[str, str]]], log_dir: Path) -> Iterator[dict[str, int]]:
    """Run commands until the block ends; answers their process ids."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, (command, environment) in commands.items():
            with (log_dir / f"{name}.log").open("wb") as log:
                running[name] = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
        yield {name: process.pid for name, process in running.items()}
    finally:
        for process in running.values():
            process.terminate()
        for name, process in running.items():
            try:
                process.wait(timeout=END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                print(f"{name} did not end within {END_TIMEOUT_S} s and was killed", file=sys.stderr, flush=True)
                process.kill()
                process.wait()


def by_hand_commands(url: str) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Three hops, one process each, on the same durables that our services would use."""
    hops = ((REQUEST_SUBMITTED, "intent"), (INTENT_RESOLVED, "context"), (CONTEXT_RESOLVED, "finished"))
    return {
        f"hop-{suffix}": (
            [sys.executable, "-m", "bench.by_hand", url, route.consumers[0].durable, FACTS, route.wildcard, suffix],
            {},
        )
        for route, suffix in hops
    }


def our_commands(
    url: str, valkey_url: str, directory: Path, ports: dict[str, int], delivery: str = "fast"
) -> dict[str, tuple[list[str], dict[str, str]]]:
    """The four services with everything on but the context cache, so that each request reads the inventory."""
    shared = {
        "OPSWIRE_NATS_URL": url,
        "OPSWIRE_VALKEY_URL": valkey_url,
        "OPSWIRE_STATE_DIR": str(directory),
        "OPSWIRE_TRACE_STORE": str(directory / "traces.sqlite3"),
        "OPSWIRE_INVENTORY_URL": f"sqlite:///{directory / 'inventory.sqlite3'}",
        "OPSWIRE_CLASSIFIER_PATH": str(Path(tempfile.gettempdir()) / "opswire-bench-classifier.npz"),
        "OPSWIRE_LOG_LEVEL": "WARNING",
        "OPSWIRE_DELIVERY": delivery,
    }
    return {
        name: (
            [sys.executable, "-m", f"opswire.{name}"],
            shared | {"OPSWIRE_HTTP_PORT": str(ports[name])} | ({"OPSWIRE_CACHE": "off"} if name == "assets" else {}),
        )
        for name in SERVICES
    }


async def wait_ready(ports: dict[str, int]) -> None:
    """Until every service answers ready. Raises TimeoutError."""
    until = time.monotonic() + READY_TIMEOUT_S
    for name, port in ports.items():
        while True:
            try:
                await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/health/ready", None, 2)
                break
            except (urllib.error.URLError, OSError):
                if time.monotonic() > until:
                    raise TimeoutError(f"{name} is not ready after {READY_TIMEOUT_S} s") from None
                await asyncio.sleep(0.1)


async def fill_inventory(directory: Path) -> None:
    """A thousand hosts."""
    inventory = await Inventory.open(f"sqlite:///{directory / 'inventory.sqlite3'}")
    records = [
        AssetRecord(name=f"host-{number:04}", type="host", environment="production", address=f"192.0.2.{number % 256}")
        for number in range(HOSTS)
    ]
    report = await inventory.upsert(records, "bench")
    assert report.created == HOSTS, report
    await inventory.close()


async def measure(chain: str, url: str, pids: dict[str, int], broker_pid: int, requests: int) -> list[Row]:
    """One round: each concurrency after a warm-up."""
    expected = "completed" if chain == "ours" else None
    rows: list[Row] = []
    async with Load(url, lambda number: f"what's the ip of host-{number % HOSTS:04}", expected=expected) as load:
        await load.run(16, 500)
        for concurrency in CONCURRENCIES:
            count = max(200, requests if concurrency > 1 else requests // 4)
            before = sum(cpu_seconds(pid) for pid in pids.values()), cpu_seconds(broker_pid)
            measured = await load.run(concurrency, count)
            after = sum(cpu_seconds(pid) for pid in pids.values()), cpu_seconds(broker_pid)
            if measured.failed:
                raise RuntimeError(f"{measured.failed} of {count} requests did not complete")
            rows.append(_row(chain, measured, after[0] - before[0], after[1] - before[1]))
    return rows


def _row(chain: str, measured: Measured, chain_cpu_s: float, broker_cpu_s: float) -> Row:
    per_request_us = 1e6 / measured.requests
    return Row(
        chain,
        measured.concurrency,
        measured.p50_ms,
        measured.p95_ms,
        measured.per_second,
        chain_cpu_s * per_request_us,
        broker_cpu_s * per_request_us,
    )


async def round_by_hand(sync_always: bool, requests: int, _: str) -> list[Row]:
    """The floor, on a broker of its own."""
    with tempfile.TemporaryDirectory() as name, NatsServer(Path(name) / "nats", sync_always=sync_always) as server:
        await provision(server.url)
        with processes(by_hand_commands(server.url), Path(name)) as pids:
            return await measure("by hand", server.url, pids, server.pid, requests)


async def round_ours(sync_always: bool, requests: int, delivery: str) -> list[Row]:
    """Ours, on a broker of its own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (
            NatsServer(directory / "nats", sync_always=sync_always) as server,
            ValkeyServer(directory / "valkey") as valkey,
        ):
            await provision(server.url)
            await fill_inventory(directory)
            ports = {service: free_port() for service in SERVICES}
            with processes(our_commands(server.url, valkey.url, directory, ports, delivery), directory) as pids:
                await wait_ready(ports)
                await changes_are_published(ports["assets"])
                rows = await measure("ours", server.url, pids, server.pid, requests)
                await buckets_fit(ports)
                return rows


async def changes_are_published(port: int) -> None:
    """Until the inventory's thousand changes have gone through the outbox, so that they do not disturb the run."""
    until = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until:
        if f"opswire_outbox_published_total {float(HOSTS)}" in await asyncio.to_thread(_metrics, port):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("the outbox is not empty")


async def buckets_fit(ports: dict[str, int]) -> None:
    """Raise RuntimeError where a histogram of ours has values beyond its last bound: its percentiles say nothing."""
    for name, port in ports.items():
        found = top_heavy(text_string_to_metric_families(await asyncio.to_thread(_metrics, port)))
        if found:
            raise RuntimeError(f"{name}: {'; '.join(found)}")


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", None, 5) as reply:
        text: str = reply.read().decode()
    return text


def medians(rows: list[Row]) -> list[Row]:
    """One row per chain and concurrency."""
    found: list[Row] = []
    for chain in ("by hand", "ours"):
        for concurrency in CONCURRENCIES:
            same = [row for row in rows if (row.chain, row.concurrency) == (chain, concurrency)]
            fields = ("p50_ms", "p95_ms", "requests_per_s", "chain_cpu_us", "broker_cpu_us")
            found.append(Row(chain, concurrency, *(statistics.median(getattr(row, f) for row in same) for f in fields)))
    return found


def ratios(rows: list[Row]) -> dict[str, float]:
    """Ours against the floor: latency alone (aim at most 1.5), throughput at 64 (aim at least 0.6)."""
    table = {(row.chain, row.concurrency): row for row in rows}
    return {
        "p50_at_1": table["ours", 1].p50_ms / table["by hand", 1].p50_ms,
        "throughput_at_64": table["ours", 64].requests_per_s / table["by hand", 64].requests_per_s,
        "cpu_at_64": table["ours", 64].chain_cpu_us / table["by hand", 64].chain_cpu_us,
    }


def main() -> None:
    """Run the rounds, print the table and the ratios."""
    parser = argparse.ArgumentParser(prog="just bench pipeline", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds; medians are printed")
    parser.add_argument("--requests", type=int, default=3_000, help="requests per concurrency and round")
    parser.add_argument("--sync", choices=("default", "always"), default="default", help="the broker's file sync")
    parser.add_argument("--delivery", choices=("fast", "stock"), default="fast", help="stock: FastStream's own loop")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    rows: list[Row] = []
    for number in range(options.rounds):
        for play in (round_by_hand, round_ours):
            print(f"round {number + 1} of {options.rounds}: {play.__name__} ...", file=sys.stderr, flush=True)
            rows += asyncio.run(play(options.sync == "always", options.requests, options.delivery))
    table = medians(rows)
    if options.json:
        print(json.dumps({"sync": options.sync, "rows": [asdict(row) for row in table], "ratios": ratios(table)}))
        return
    print(f"{'chain':8} {'at once':>7} {'p50 ms':>8} {'p95 ms':>8} {'req/s':>8} {'chain us':>9} {'broker us':>9}")
    for row in table:
        print(
            f"{row.chain:8} {row.concurrency:7} {row.p50_ms:8.2f} {row.p95_ms:8.2f} {row.requests_per_s:8.0f} "
            f"{row.chain_cpu_us:9.0f} {row.broker_cpu_us:9.0f}"
        )
    for name, value in ratios(table).items():
        print(f"ours / by hand, {name}: {value:.2f}")


if __name__ == "__main__":
    main()
