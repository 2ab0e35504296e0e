"""How fast a model server answers the intent service's merged prompt: latency, first token, requests a second.

    just bench vllm_load --url http://127.0.0.1:8000/v1 [--concurrency 1,10,50,100] [--requests 200] [--json]
    just bench vllm_load --rate 20,50 [--goodput e2el:500,ttft:200]                     on a clock (open loop)
    just bench vllm_load --write-prompts P.jsonl                                        for `vllm bench serve` to read

Texts are the shipped evaluation requests, the reply is bound to the service's schema. The key comes from LLM_API_KEY.
With --prompts FILE.jsonl, or --output-tokens, the schema is left out: then both programs send the same calls.
Definitions are those of `vllm bench serve` (bench/streamed_calls.py). The founding targets are printed beside: a median
under 500 ms, over 100 requests a second. They were set for a GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
from opswire.intent.prompts.library import load_prompts
from opswire.intent.prompts.outputs import output_of

from bench.streamed_calls import CALL_WITHIN_S, closed_loop, figures, open_loop

TARGET_LATENCY_MS = 500.0
TARGET_PER_S = 100.0
WARM_UP = 4
LIMITS = ("ttft", "tpot", "e2el")


def evaluation_texts() -> list[str]:
    """The shipped evaluation requests."""
    file = resources.files("opswire.intent") / "data" / "evaluation" / "requests.jsonl"
    return [json.loads(line)["query"] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def conversations(options: argparse.Namespace) -> list[list[dict[str, str]]]:
    """The messages of each distinct call."""
    if options.prompts:
        lines = options.prompts.read_text(encoding="utf-8").splitlines()
        return [[{"role": "user", "content": json.loads(line)["prompt"]}] for line in lines if line.strip()]
    (step,) = load_prompts("merged").steps
    return [
        [{"role": message.role, "content": message.content} for message in step.messages(text)]
        for text in evaluation_texts()
    ]


def bodies(options: argparse.Namespace, model: str, count: int) -> list[dict[str, Any]]:
    """So many calls, the distinct ones in an order that the seed decides, over and over."""
    distinct = conversations(options)
    random.Random(options.seed).shuffle(distinct)
    common: dict[str, Any] = {"model": model, "temperature": 0}
    if options.output_tokens:
        common |= {"max_completion_tokens": options.output_tokens, "ignore_eos": True}
    else:
        (step,) = load_prompts("merged").steps
        common["max_completion_tokens"] = step.max_tokens
    if not options.output_tokens and not options.prompts:
        schema = output_of(step.asked)
        described = {"name": schema.name, "schema": schema.json_schema, "strict": True}
        common["response_format"] = {"type": "json_schema", "json_schema": described}
    return [common | {"messages": distinct[number % len(distinct)]} for number in range(count)]


def arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Seconds at which calls are sent: random gaps, scaled so that all fall into count / rate seconds."""
    source = random.Random(seed)
    at_s, now_s = [], 0.0
    for _ in range(count):
        now_s += source.expovariate(rate)
        at_s.append(now_s)
    return [each * (count / rate) / now_s for each in at_s]


def write_prompts(options: argparse.Namespace) -> None:
    """The same calls as one user message each, in the form of vLLM's `custom` data set."""
    lines = [json.dumps({"prompt": "\n\n".join(each["content"] for each in row)}) for row in conversations(options)]
    options.write_prompts.write_text("\n".join(lines) + "\n", encoding="utf-8")


async def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row of figures for each concurrency, or for each rate."""
    url = options.url.rstrip("/")
    key = os.environ.get("LLM_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
    timeout = aiohttp.ClientTimeout(total=CALL_WITHIN_S)
    found = []
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        model = options.model or await first_model(session, url)
        await closed_loop(session, url, bodies(options, model, WARM_UP), 1)
        for value in options.rate or options.concurrency:
            calls = bodies(options, model, options.requests or max(100, int(value) * 4))
            begun = time.perf_counter()
            if options.rate:
                done = await open_loop(session, url, calls, arrivals(value, len(calls), options.seed))
            else:
                done = await closed_loop(session, url, calls, int(value))
            seconds = time.perf_counter() - begun
            row = {"rate_per_s": value} if options.rate else {"concurrency": int(value)}
            found.append(row | {"model": model} | figures(done, seconds, options.goodput))
    return found


async def first_model(session: aiohttp.ClientSession, url: str) -> str:
    """The name of what the server serves."""
    async with session.get(f"{url}/models") as response:
        response.raise_for_status()
        return str((await response.json())["data"][0]["id"])


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A table, then the founding targets."""
    print(f"model {rows[0]['model']}; milliseconds; server: medians of what it says itself")
    print(
        f"{'load':>10} {'done':>5} {'fail':>4} {'req/s':>7} {'tok/s':>7} {'e2el p50':>8} {'p95':>7} {'ttft p50':>8} "
        f"{'p95':>7} {'tpot p50':>8} {'cached':>6} {'queue':>6} {'prefill':>7} {'decode':>6} {'good/s':>6}"
    )
    for row in rows:
        load = f"{row['rate_per_s']:g}/s" if "rate_per_s" in row else f"{row['concurrency']} at once"
        cached = row["cached_input_tokens"] / row["input_tokens"] if row["input_tokens"] else 0.0
        server = [row[name] for name in ("server_queue_ms", "server_prefill_ms", "server_decode_ms")]
        told = ["-" if value is None else f"{value:.1f}" for value in server]
        goodput = f"{row['goodput_per_s']:.1f}" if "goodput_per_s" in row else "-"
        print(
            f"{load:>10} {row['completed']:5} {row['failed']:4} {row['requests_per_s']:7.1f} "
            f"{row['output_tokens_per_s']:7.0f} {row['e2el_ms']['p50']:8.1f} {row['e2el_ms']['p95']:7.1f} "
            f"{row['ttft_ms']['p50']:8.1f} {row['ttft_ms']['p95']:7.1f} {row['tpot_ms']['p50']:8.2f} {cached:6.0%} "
            f"{told[0]:>6} {told[1]:>7} {told[2]:>6} {goodput:>6}"
        )
        for error in row["errors"]:
            print(f"{'':10} {error}")
    print(f"targets (set for a GPU): {verdict(rows)}")


def verdict(rows: Sequence[dict[str, Any]]) -> str:
    """Both founding targets against the best row of each."""
    working = [row for row in rows if row["completed"]]
    if not working:
        return "nothing completed"
    quick = min(working, key=lambda row: row["e2el_ms"]["p50"])
    many = max(working, key=lambda row: row["requests_per_s"])
    both = [
        row for row in working if row["e2el_ms"]["p50"] < TARGET_LATENCY_MS and row["requests_per_s"] > TARGET_PER_S
    ]
    return (
        f"median under {TARGET_LATENCY_MS:g} ms: best {quick['e2el_ms']['p50']:.0f} ms; over {TARGET_PER_S:g} requests "
        f"a second: best {many['requests_per_s']:.1f}; both in one row: {'yes' if both else 'no'}"
    )


def limits(text: str) -> dict[str, float]:
    """`e2el:500,ttft:200`, in milliseconds."""
    found = dict(part.split(":", 1) for part in text.split(","))
    if set(found) - set(LIMITS):
        raise argparse.ArgumentTypeError(f"limits are of {', '.join(LIMITS)}")
    return {name: float(value) for name, value in found.items()}


def numbers(text: str) -> list[float]:
    """`1,10,50`."""
    return [float(part) for part in text.split(",")]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        prog="just bench vllm_load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=os.environ.get("LLM_BASE_URL", "http://127.0.0.1:8000/v1"))
    parser.add_argument("--model", help="default: the first that the server names")
    parser.add_argument("--concurrency", type=numbers, default=[1.0, 10.0, 50.0, 100.0], help="closed loop; 1,10,50")
    parser.add_argument("--rate", type=numbers, help="open loop: calls a second, such as 20 or 10,20,40")
    parser.add_argument("--requests", type=int, help="calls of each row; default 100, or 4 times the row's number")
    parser.add_argument("--goodput", type=limits, default={}, help="limits in milliseconds, such as e2el:500,ttft:200")
    parser.add_argument("--output-tokens", type=int, help="exactly so many of each call, without a schema")
    parser.add_argument("--prompts", type=Path, help='lines {"prompt": ...} instead of the merged prompt')
    parser.add_argument("--write-prompts", type=Path, help="write such a file of the merged prompt, and end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    if options.write_prompts:
        write_prompts(options)
        return
    rows = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(rows))
        return
    print_rows(rows)


if __name__ == "__main__":
    main()
