"""Our load generator counts as vLLM's own does: the same calls, through its code and through ours, in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmInstallation, VllmServer

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[2]
COUNT = """
import json, random
from bench.streamed_calls import Call, figures
from vllm.benchmarks.lib.endpoint_request_func import RequestFuncOutput
from vllm.benchmarks.serve import calculate_metrics

source = random.Random(3)
ours, theirs = [], []
for number in range(200):
    tokens = source.choice([1, 2, 30, 200])
    gaps = [source.uniform(0.001, 0.05) for _ in range(tokens - 1)]
    call = Call(source.uniform(0, 9), source.uniform(0.01, 0.4), itl_s=gaps, input_tokens=300, output_tokens=tokens)
    call.latency_s = call.ttft_s + sum(gaps)
    call.error = "broken" if number % 17 == 0 else ""
    ours.append(call)
    theirs.append(
        RequestFuncOutput(
            success=not call.error, latency=call.latency_s, output_tokens=tokens, ttft=call.ttft_s,
            itl=gaps, prompt_len=300, start_time=call.begun_s,
        )
    )
limits = {"ttft": 300.0, "tpot": 26.0, "e2el": 2000.0}
mine = figures(ours, 10.0, limits)
metrics, _ = calculate_metrics([None] * len(theirs), theirs, 10.0, None, [50, 95, 99], limits)
rows = {
    "completed": (mine["completed"], metrics.completed),
    "requests": (mine["requests_per_s"], metrics.request_throughput),
    "tokens": (mine["output_tokens_per_s"], metrics.output_throughput),
    "input": (mine["input_tokens"], metrics.total_input),
    "goodput": (mine["goodput_per_s"], metrics.request_goodput),
}
for name in ("ttft", "tpot", "itl", "e2el"):
    rows[name + " mean"] = (mine[name + "_ms"]["mean"], getattr(metrics, f"mean_{name}_ms"))
    for share, value in getattr(metrics, f"percentiles_{name}_ms"):
        rows[f"{name} p{share:g}"] = (mine[name + "_ms"][f"p{share:g}"], value)
print("FIGURES" + json.dumps({name: [float(a), float(b)] for name, (a, b) in rows.items()}))
"""


def test_the_same_calls_give_the_same_figures(vllm_installation: VllmInstallation) -> None:
    done = subprocess.run(
        [vllm_installation.python, "-c", COUNT], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.rpartition("FIGURES")[2].splitlines()[0])
    assert len(found) == 21
    assert found["completed"][0] == 188
    assert 0 < found["goodput"][0] < found["requests"][0]
    for name, (ours, theirs) in found.items():
        assert ours == pytest.approx(theirs, rel=1e-9), name


@pytest.mark.parametrize("load", [["--concurrency", "1,4"], ["--rate", "8"]], ids=["closed loop", "open loop"])
def test_the_intent_services_prompt_is_measured_on_the_real_server(vllm: VllmServer, load: list[str]) -> None:
    command = ["--url", vllm.url, "--requests", "12", "--goodput", "e2el:60000", "--json", *load]
    done = subprocess.run(
        [sys.executable, "-m", "bench.vllm_load", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout)
    assert [row["model"] for row in rows] == [SERVED_NAME] * len(rows)
    for row in rows:
        assert (row["completed"], row["failed"], row["errors"]) == (12, 0, [])
        assert 0 < row["ttft_ms"]["p50"] < row["e2el_ms"]["p50"]
        assert row["output_tokens"] > 12
        # The stable part of the prompt comes from the prefix cache, and the server tells its own share of the time.
        assert row["cached_input_tokens"] > row["input_tokens"] / 2
        assert row["server_prefill_ms"] > 0
        assert row["goodput_per_s"] == pytest.approx(row["requests_per_s"])
