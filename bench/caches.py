"""What a cached read costs, ours and others', and how long an invalidation takes, in one run.

    just bench caches [--rounds 9] [--invalidations 300] [--no-peers] [--json]

Ours is the whole protocol: a real log with its lease, stamps, decoding, statistics. Each peer has a process of its own;
rounds are interleaved; ratios are the medians of the rounds' ratios, so that a machine that grows slow in between
disturbs less. Read the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.provision import provision

from bench.caches_acknowledged import HOLDERS, acknowledgements_ms
from bench.caches_peers import PEERS
from bench.caches_setup import PACKAGES, python_of
from bench.inference import Process, line_of, process

READS = {"memory_now": 200_000, "memory": 100_000, "shared": 2_000, "shared_at_once": 10_000}
RATIOS = {
    "memory hit, synchronous, ours / dict with TTL": ("ours", "memory_now", "dict", "memory_now", 1.5),
    "memory hit, asynchronous, ours / dict with TTL": ("ours", "memory", "dict", "memory_now", 2.2),
    "shared hit, ours / redis-py GET": ("ours", "shared", "redis-py", "shared", 1.10),
    "50 readers, redis-py's time / ours": ("redis-py", "shared_at_once", "ours", "shared_at_once", 4.0),
    "50 readers, redis-py's time with decoding / ours": (
        "redis-py-decoded",
        "shared_at_once",
        "ours",
        "shared_at_once",
        4.0,
    ),
}
ACKNOWLEDGED_AIMS_MS = {"median": 15.0, "p99": 100.0}
Rounds = dict[tuple[str, str], list[float]]


def ask(running: Process, what: str) -> float | None:
    """Let a peer measure; microseconds per read."""
    assert running.stdin
    running.stdin.write(json.dumps({"what": what, "reads": READS[what]}) + "\n")
    running.stdin.flush()
    found: float | None = json.loads(line_of(running))["each_us"]
    return found


def start_peers(stack: ExitStack, names: list[str], nats_url: str, valkey_url: str) -> dict[str, Process]:
    """Each in its own process, filled and warm; those that cannot be had are left out."""
    script, running = str(Path(__file__).with_name("caches_peers.py")), {}
    for name in names:
        python = python_of(name)
        if python is None:
            continue
        try:
            peer = stack.enter_context(process([python, script, name, nats_url, valkey_url]))
            line_of(peer)
        except RuntimeError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        for what in READS:
            ask(peer, what)
        running[name] = peer
    return running


def measure(names: list[str], rounds: int, nats_url: str, valkey_url: str) -> Rounds:
    """All rounds, interleaved; microseconds per read by peer and kind of read."""
    found: Rounds = {}
    with ExitStack() as stack:
        peers = start_peers(stack, names, nats_url, valkey_url)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr, flush=True)
            for what in READS:
                for name, peer in peers.items():
                    each_us = ask(peer, what)
                    if each_us is not None:
                        found.setdefault((name, what), []).append(each_us)
    return found


def ratios(rounds: Rounds) -> dict[str, list[float]]:
    """The ratios that have an aim, of each round, in order."""
    return {
        label: sorted(above / below for above, below in zip(rounds[one, kind], rounds[other, other_kind], strict=True))
        for label, (one, kind, other, other_kind, _) in RATIOS.items()
    }


def middle(found: list[float]) -> str:
    """The median of what is in order, and the half that lies around it."""
    quarter = len(found) // 4
    return f"{statistics.median(found):.2f}, half of the rounds from {found[quarter]:.2f} to {found[-1 - quarter]:.2f}"


def print_all(rounds: Rounds, found: dict[str, list[float]], acknowledged: dict[str, float]) -> None:
    """The table, the ratios and the acknowledgements."""
    print(f"{'microseconds per read':24}" + "".join(f"{what:>16}" for what in READS))
    for name in dict.fromkeys(name for name, _ in rounds):
        cells = [statistics.median(rounds[name, what]) if (name, what) in rounds else None for what in READS]
        print(f"{name:24}" + "".join(f"{'-':>16}" if cell is None else f"{cell:16.3f}" for cell in cells))
    for label, each in found.items():
        print(f"{label}: {middle(each)} (aim {RATIOS[label][4]})")
    for label, aim_ms in ACKNOWLEDGED_AIMS_MS.items():
        print(f"acknowledged by {HOLDERS} holders, {label}: {acknowledged[label]:.1f} ms (aim {aim_ms:g})")
    print(f"acknowledged by {HOLDERS} holders, longest: {acknowledged['longest']:.1f} ms (aim: lease plus 50 ms, 300)")


def main() -> None:
    """Run the rounds, print the table and the ratios."""
    parser = argparse.ArgumentParser(prog="just bench caches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds; medians are printed")
    parser.add_argument("--invalidations", type=int, default=300, help="whose acknowledgement is waited for")
    parser.add_argument("--no-peers", action="store_true", help="leave out what needs an environment of its own")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    names = [name for name in PEERS if not (options.no_peers and name in PACKAGES)]
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory)
        with NatsServer(store / "nats") as nats, ValkeyServer(store / "valkey") as valkey:
            asyncio.run(provision(nats.url))
            rounds = measure(names, options.rounds, nats.url, valkey.url)
            times_ms = sorted(asyncio.run(acknowledgements_ms(nats.url, options.invalidations)))
    found = ratios(rounds)
    p99 = times_ms[min(len(times_ms) - 1, int(len(times_ms) * 0.99))]
    acknowledged = {"median": statistics.median(times_ms), "p99": p99, "longest": times_ms[-1]}
    if options.json:
        rows = {f"{name}/{what}": statistics.median(each) for (name, what), each in rounds.items()}
        medians = {label: statistics.median(each) for label, each in found.items()}
        print(json.dumps({"each_us": rows, "ratios": medians, "acknowledged_ms": acknowledged}))
        return
    print_all(rounds, found, acknowledged)


if __name__ == "__main__":
    main()
