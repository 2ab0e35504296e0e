"""What a request costs that was asked before, against the pipeline's own cost and against its first asking.

    just bench repeated [--rounds 100] [--json]

Real processes on one machine: broker, Valkey and the four services; the model server is a scripted one that answers at
once, so what a first asking costs here is our part of it alone. Each round asks for help (no cache, no model, no
inventory: the pipeline's own cost), for an asset in words that the classifier leaves to the model and that were asked
before, and in words that are new. Compare the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream

INVENTORY = Path(__file__).parents[1] / "tests" / "data" / "inventory.yaml"
SHOW = {"intent": "asset.get", "entities": [], "confidence": 92, "risk": "LOW", "reason": "clear"}
OWN = "help"
REPEATED = "zeig mir bitte mal web-05"
NEW = "zeig mir bitte mal {} mal web-05"
AIM = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request over all rounds."""

    what: str
    n: int
    median_ms: float
    ratio: float
    model_calls: int


@contextmanager
def scene(directory: Path, model: ScriptedModel) -> Iterator[System]:
    """Everything running, with an inventory."""
    settings = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted", "LLM_API_KEY": "none"}
    with System(directory, settings) as system:
        system.import_inventory(INVENTORY.read_text())
        yield system


async def took_ms(upstream: Upstream, text: str) -> float:
    """From the publish to the one outcome."""
    begun_s = time.perf_counter()
    outcome = await upstream.ask(text)
    if outcome["status"] != "completed":
        raise SystemExit(f"{text!r} ended as {outcome}")
    return (time.perf_counter() - begun_s) * 1e3


async def measure(system: System, model: ScriptedModel, rounds: int) -> list[Row]:
    """The three kinds, one of each in every round."""
    await asyncio.to_thread(system.wait_warm)
    times_ms: dict[str, list[float]] = {"own cost": [], "repeated": [], "new": []}
    calls = dict.fromkeys(times_ms, 0)
    async with Upstream(system.nats.url) as upstream:
        for text in (OWN, REPEATED, NEW.format("zuerst")):
            await took_ms(upstream, text)
        for number in range(rounds):
            texts = (OWN, REPEATED, NEW.format("x" * (number + 2)))
            for what, text in zip(times_ms, texts, strict=True):
                before = len(model.calls)
                times_ms[what].append(await took_ms(upstream, text))
                calls[what] += len(model.calls) - before
    own_ms = statistics.median(times_ms["own cost"])
    return [
        Row(what, len(taken), statistics.median(taken), statistics.median(taken) / own_ms, calls[what])
        for what, taken in times_ms.items()
    ]


def main() -> None:
    """Print the medians and their ratio to the pipeline's own cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="how often each kind is asked")
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args()
    answer = Answer(json.dumps(SHOW))
    with (
        tempfile.TemporaryDirectory(prefix="opswire-bench-") as folder,
        ScriptedModel(answer) as model,
        scene(Path(folder), model) as system,
    ):
        rows = asyncio.run(measure(system, model, given.rounds))
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{'request':<10}{'n':>6}{'median, ms':>12}{'to own cost':>13}{'model calls':>13}")
    for row in rows:
        print(f"{row.what:<10}{row.n:>6}{row.median_ms:>12.2f}{row.ratio:>12.2f}x{row.model_calls:>13}")
    print(f"a repeated request may cost {AIM:g} times the pipeline's own cost at most, and no model call")


if __name__ == "__main__":
    main()
