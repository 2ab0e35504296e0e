"""What Opswire adds to a change: from a person's word to the tool's start, and from the tool's end to the outcome.

    just bench changes [--requests 100] [--sync default|always] [--json]

Real processes on one machine: broker, Valkey, four services and the lab, whose host runs `true` over SSH for each
request. Approved is when the broker stored the signed word, the outcome when it stored that; the tool's start and end
are the executor's, before it connects to the host and after it has the command's status.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from nats.js.api import RawStreamMsg
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.cli.approvals import decide, read_asked
from opswire.cli.bus import connected
from opswire.contracts.routes import APPROVAL_GIVEN, APPROVAL_REQUESTED, FACTS, REQUEST_FINISHED, STEP_FINISHED
from opswire.lab import start

SOURCE = "bench"
HOST = "web-02"
WARM_UP = 10
TIMEOUT_S = 60.0
PEOPLE = "people:\n  - name: sam\n    roles: [operator]\n    keys: [{{public: {public}}}]\n"
POLICY = """
roles: [operator]
approval_window_s: 600
grants: []
otherwise: {verdict: approve, people: 1, role: operator, because: It changes something}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One span of time over all requests."""

    what: str
    n: int
    median_ms: float
    p99_ms: float
    aim_ms: float


def row(what: str, times_ns: Sequence[int], aim_ms: float) -> Row:
    """The figures of these times."""
    ordered = sorted(times_ns)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return Row(what, len(ordered), statistics.median(ordered) / 1e6, p99 / 1e6, aim_ms)


@contextmanager
def scene(directory: Path, sync_always: bool) -> Iterator[tuple[System, str]]:
    """Everything running; the seed of somebody who may approve."""
    seed = new_seed()
    people, policy = directory / "people.yaml", directory / "policy.yaml"
    people.write_text(PEOPLE.format(public=public_of(seed)))
    policy.write_text(POLICY)
    settings = {
        "OPSWIRE_PEOPLE_FILE": str(people),
        "OPSWIRE_POLICY_FILE": str(policy),
        "OPSWIRE_ALLOW_LOOPBACK": "true",
    }
    lab = start(directory)
    try:
        with System(directory, settings, sync_always=sync_always) as system:
            system.import_inventory(lab.inventory_path.read_text())
            yield system, seed
    finally:
        lab.down()


async def stored(upstream: Upstream, subject: str) -> RawStreamMsg:
    """The fact on this subject; awaited."""
    await upstream.read(subject, 1, TIMEOUT_S)
    return await upstream.client.jetstream().get_last_msg(FACTS, subject, direct=True)


def stored_ns(message: RawStreamMsg) -> int:
    """The broker's time for it, nanoseconds since 1970."""
    headers = message.headers or {}
    whole, _, fraction = headers["Nats-Time-Stamp"].rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


async def one(system: System, upstream: Upstream, seed: str) -> tuple[int, int]:
    """One change: nanoseconds from the word to the tool's start, and from its end to the outcome."""
    request_id = await upstream.submit(f'run "true" on {HOST}')
    key = {"source": SOURCE, "request_id": request_id}
    await stored(upstream, APPROVAL_REQUESTED.subject(**key, round="1"))
    async with connected(system.nats.url) as bus:
        await decide(bus, await read_asked(bus, SOURCE, request_id), seed, "approve", "")
    finish = await stored(upstream, REQUEST_FINISHED.subject(**key))
    status = json.loads(finish.data or b"")["status"]
    if status != "completed":
        raise SystemExit(f"a request ended as {status}: {finish.data!r}")
    given = await stored(upstream, APPROVAL_GIVEN.subject(**key, round="1", approver=public_of(seed)))
    step = json.loads((await stored(upstream, STEP_FINISHED.subject(**key, number="1"))).data or b"")
    return step["started_ns"] - stored_ns(given), stored_ns(finish) - step["finished_ns"]


async def measured(system: System, seed: str, requests: int) -> list[Row]:
    """So many changes one after the other, after a few that warm everything up."""
    async with Upstream(system.nats.url, SOURCE) as upstream:
        found = [await one(system, upstream, seed) for _ in range(WARM_UP + requests)][WARM_UP:]
    before, after = zip(*found, strict=True)
    return [row("approved to tool start", before, 25.0), row("tool end to outcome", after, 15.0)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--sync", choices=("default", "always"), default="default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="opswire-bench-") as directory,
        scene(Path(directory), options.sync == "always") as (system, seed),
    ):
        rows = asyncio.run(measured(system, seed, options.requests))
    if options.json:
        print(json.dumps([asdict(each) for each in rows]))
        return
    print(f"{'':<24}{'n':>6}{'median ms':>12}{'p99 ms':>10}{'aim ms':>9}   (sync {options.sync})")
    for each in rows:
        print(f"{each.what:<24}{each.n:>6}{each.median_ms:>12.1f}{each.p99_ms:>10.1f}{each.aim_ms:>9.0f}")


if __name__ == "__main__":
    main()
