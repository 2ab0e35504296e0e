"""What a model call costs on the caller's side: ours and others, against a server that answers at once, in one run.

    just bench inference [--rounds 9] [--calls 1000] [--no-peers] [--json]

Ours is `InferenceClient.decide` with everything on: breaker, health cache, limits, usage, cost, span, metrics, typed
result. The measure is the openai SDK's plain `create`, whose answer is neither checked nor counted. Each client has a
process of its own; rounds are interleaved; medians of the rounds are printed. Read the ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.inference_peers import PEERS
from bench.inference_peers_setup import PACKAGES, python_of

AT_ONCE = (1, 50)
AIMS = {1: 0.6, 50: 0.4}
WARM_UP_CALLS = 200
END_TIMEOUT_S = 10
Process = subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds per call: the median call, and the run's wall and CPU time shared among its calls."""

    p50_ms: float
    wall_ms: float
    cpu_ms: float

    def of_a_call_ms(self, at_once: int) -> float:
        """What is compared: the median alone; with many at once the wall time, as their medians overlap."""
        return self.p50_ms if at_once == 1 else self.wall_ms


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the rounds of one client."""

    client: str
    at_once: int
    p50_ms: float
    wall_ms: float
    cpu_ms: float


Rounds = dict[tuple[str, int], list[Cost]]


@contextmanager
def process(command: list[str]) -> Iterator[Process]:
    """A process that is spoken to in lines; it ends when its standard input does."""
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True) as running,
    ):
        try:
            yield running
        except RuntimeError:
            said.seek(0)
            print("".join(said.readlines()[-20:]), file=sys.stderr)
            raise
        finally:
            assert running.stdin
            running.stdin.close()
            try:
                running.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                running.kill()


def line_of(running: Process) -> str:
    """Its next line. Raises RuntimeError when it ended instead."""
    assert running.stdout
    line = running.stdout.readline()
    if not line:
        raise RuntimeError(f"{running.args} ended")
    return line


def ask(running: Process, at_once: int, calls: int) -> dict[str, float]:
    """Let a client measure."""
    assert running.stdin
    running.stdin.write(json.dumps({"at_once": at_once, "calls": calls}) + "\n")
    running.stdin.flush()
    found: dict[str, float] = json.loads(line_of(running))
    return found


def start_clients(stack: ExitStack, names: list[str], url: str) -> dict[str, Process]:
    """Each in its own process, connected and warm; those that cannot be had are left out."""
    script = str(Path(__file__).with_name("inference_peers.py"))
    running: dict[str, Process] = {}
    for name in names:
        python = python_of(name)
        if python is None:
            continue
        client = stack.enter_context(process([python, script, name, url]))
        line_of(client)
        for at_once in AT_ONCE:
            ask(client, at_once, WARM_UP_CALLS)
        running[name] = client
    return running


def measure(names: list[str], rounds: int, calls: int) -> Rounds:
    """All rounds, interleaved; what each client measured in each round."""
    found: Rounds = {}
    with ExitStack() as stack:
        server = stack.enter_context(process([sys.executable, "-m", "bench.instant_server"]))
        clients = start_clients(stack, names, f"http://127.0.0.1:{int(line_of(server))}/v1")
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr, flush=True)
            for at_once in AT_ONCE:
                for name, client in clients.items():
                    count = calls if at_once > 1 else calls // 4
                    found.setdefault((name, at_once), []).append(Cost(**ask(client, at_once, max(at_once, count))))
    return found


def medians(rounds: Rounds) -> list[Row]:
    """One row for each client and concurrency."""
    fields = ("p50_ms", "wall_ms", "cpu_ms")
    return [
        Row(name, at_once, *(statistics.median(getattr(cost, field) for cost in costs) for field in fields))
        for (name, at_once), costs in rounds.items()
    ]


def ratios(rounds: Rounds) -> dict[int, float]:
    """Ours against the SDK's plain `create`, by calls at once: the median of the rounds' ratios.

    Within a round the two ran one right after the other, so a machine that grows slow in between disturbs less.
    """
    return {
        at_once: statistics.median(
            ours.of_a_call_ms(at_once) / theirs.of_a_call_ms(at_once)
            for ours, theirs in zip(rounds["ours", at_once], rounds["openai", at_once], strict=True)
        )
        for at_once in AT_ONCE
    }


def main() -> None:
    """Run the rounds, print the table and the ratios."""
    parser = argparse.ArgumentParser(prog="just bench inference", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds; medians are printed")
    parser.add_argument(
        "--calls", type=int, default=1_000, help="calls of each client and round at 50, a quarter alone"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave out what needs an environment of its own")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    names = [name for name in PEERS if not (options.no_peers and name in PACKAGES)]
    rounds = measure(names, options.rounds, options.calls)
    rows, found = medians(rounds), ratios(rounds)
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "ratios": found, "aims": AIMS}))
        return
    print(f"{'client':17} {'at once':>7} {'p50 ms':>8} {'wall ms':>8} {'cpu ms':>8}   wall and cpu are per call")
    for row in sorted(rows, key=lambda row: (row.at_once, row.wall_ms)):
        print(f"{row.client:17} {row.at_once:7} {row.p50_ms:8.3f} {row.wall_ms:8.3f} {row.cpu_ms:8.3f}")
    for at_once, ratio in found.items():
        what = "alone, median call" if at_once == 1 else f"{at_once} at once, wall time per call"
        print(f"ours / openai create, {what}: {ratio:.2f} (aim {AIMS[at_once]})")


if __name__ == "__main__":
    main()
