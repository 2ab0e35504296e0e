"""Streamed chat completions, timed by the definitions of `vllm bench serve`, and what they add up to.

Time to first token (TTFT): from sending until the first chunk with a choice. Inter-token latency (ITL): between two
such chunks, all gaps of all calls together. End to end (E2EL): until the last such chunk. Time per output token (TPOT):
(E2EL - TTFT) / (output tokens - 1), one value a call. Goodput: calls a second that kept every limit. Failed calls count
in none of them.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

CALL_WITHIN_S = 600.0


@dataclass(slots=True)
class Call:
    """One call. Seconds; `error` is empty where it succeeded."""

    begun_s: float = 0.0
    ttft_s: float = 0.0
    latency_s: float = 0.0
    itl_s: list[float] = field(default_factory=list)
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    server: Mapping[str, float | None] = field(default_factory=dict)
    text: str = ""
    error: str = ""

    @property
    def tpot_s(self) -> float | None:
        """None where there was only one token."""
        return (self.latency_s - self.ttft_s) / (self.output_tokens - 1) if self.output_tokens > 1 else None


async def one_call(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> Call:
    """Send one call and read it to its end; a failure is told in `error`, never raised."""
    call = Call(begun_s=time.perf_counter())
    data = {**body, "stream": True, "stream_options": {"include_usage": True}}
    try:
        async with session.post(f"{url}/chat/completions", json=data) as response:
            if response.status != 200:
                call.error = f"{response.status}: {(await response.text())[:200]}"
                return call
            await _read(call, response)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        call.error = f"{type(error).__name__}: {error}"[:200]
    return call


async def _read(call: Call, response: aiohttp.ClientResponse) -> None:
    last_s, is_done, is_first = call.begun_s, False, True
    async for line in response.content:
        if not line.startswith(b"data: "):
            continue
        if line.startswith(b"data: [DONE]"):
            is_done = True
            break
        now_s = time.perf_counter()
        chunk = json.loads(line[6:])
        if choices := chunk.get("choices"):
            if is_first:
                call.ttft_s, is_first = now_s - call.begun_s, False
            else:
                call.itl_s.append(now_s - last_s)
            call.text += choices[0]["delta"].get("content") or ""
            last_s = now_s
        elif usage := chunk.get("usage"):
            call.input_tokens = usage.get("prompt_tokens") or 0
            call.output_tokens = usage.get("completion_tokens") or 0
            call.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            call.server = chunk.get("metrics") or {}
    call.latency_s = last_s - call.begun_s
    if not is_done:
        call.error = "the stream ended before its end"
    elif is_first:
        call.error = "no token came"


async def closed_loop(
    session: aiohttp.ClientSession, url: str, bodies: Sequence[Mapping[str, Any]], concurrency: int
) -> list[Call]:
    """So many calls under way at a time: the next one is sent when one has ended."""
    waiting = iter(bodies)
    calls: list[Call] = []

    async def worker() -> None:
        for body in waiting:
            calls.append(await one_call(session, url, body))

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return calls


async def open_loop(
    session: aiohttp.ClientSession, url: str, bodies: Sequence[Mapping[str, Any]], at_s: Sequence[float]
) -> list[Call]:
    """Each call at its time, whether or not the earlier ones have ended. Times count from now and never drift."""
    begun_s = time.perf_counter()

    async def later(body: Mapping[str, Any], due_s: float) -> Call:
        await asyncio.sleep(max(0.0, begun_s + due_s - time.perf_counter()))
        return await one_call(session, url, body)

    return list(await asyncio.gather(*(later(body, due_s) for body, due_s in zip(bodies, at_s, strict=True))))


def percentile(values: Iterable[float], share: float) -> float:
    """Linear between neighbours, as numpy's; 0 where there are none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def is_good(call: Call, limits_ms: Mapping[str, float]) -> bool:
    """Whether the call kept every limit (`ttft`, `tpot`, `e2el`); a call of one token has a TPOT of 0."""
    seen_s = {"ttft": call.ttft_s, "tpot": call.tpot_s or 0.0, "e2el": call.latency_s}
    return not call.error and all(seen_s[name] * 1000 <= limit for name, limit in limits_ms.items())


def figures(calls: Sequence[Call], seconds: float, limits_ms: Mapping[str, float]) -> dict[str, Any]:
    """What a run adds up to. Milliseconds, per second where the name says so."""
    good = [call for call in calls if not call.error]
    found: dict[str, Any] = {
        "completed": len(good),
        "failed": len(calls) - len(good),
        "seconds": seconds,
        "requests_per_s": len(good) / seconds,
        "output_tokens_per_s": sum(call.output_tokens for call in good) / seconds,
        "input_tokens": sum(call.input_tokens for call in good),
        "cached_input_tokens": sum(call.cached_tokens for call in good),
        "output_tokens": sum(call.output_tokens for call in good),
    }
    rows = {
        "ttft": [call.ttft_s for call in good],
        "tpot": [call.tpot_s for call in good if call.tpot_s is not None],
        "itl": [gap for call in good for gap in call.itl_s],
        "e2el": [call.latency_s for call in good],
    }
    for name, values in rows.items():
        mean = sum(values) / len(values) if values else 0.0
        shares = {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "p99": percentile(values, 0.99)}
        found[f"{name}_ms"] = {"mean": mean * 1000} | {share: value * 1000 for share, value in shares.items()}
    for ours, theirs in (
        ("server_queue_ms", "queue_time_ms"),
        ("server_prefill_ms", "time_to_first_token_ms"),
        ("server_decode_ms", "generation_time_ms"),
    ):
        told = [value for call in good if (value := call.server.get(theirs)) is not None]
        found[ours] = percentile(told, 0.5) if told else None
    if limits_ms:
        found["goodput_per_s"] = sum(is_good(call, limits_ms) for call in good) / seconds
    found["errors"] = sorted({call.error for call in calls if call.error})[:5]
    return found
