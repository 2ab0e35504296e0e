"""A span store with two hours of requests, the last of them slower in one stage: what `latency` is tried on."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from opswire.ledger import store
from opswire.ledger.model import Span
from opswire.ledger.testing import TraceBuilder

HOUR_NS = 3_600 * 1_000_000_000
REQUESTS = 120
ADDED_MS = 200.0
HOSTILE = "</script><img src=x onerror=document.title='stolen'>"


def one_request(number: int, accepted_ns: int, added_ms: float, chance: random.Random) -> list[Span]:
    """Intent, then a tool; `added_ms` is waited for the broker before the tool's service takes it."""
    builder = TraceBuilder(f"cli/request-{number:03}", accepted_ns)
    first_ms = chance.lognormvariate(0, 0.4)
    intent = builder.process("submitted", "intent", 0, first_ms, first_ms + 8)
    outcome = "hit" if added_ms == 0 or chance.random() < 0.5 else "miss"
    builder.add(
        "slot template", "intent", first_ms + 1, first_ms + 3, intent, stage="cache.lookup", opswire__kind=outcome
    )
    sent_ms = first_ms + 6
    send = builder.send("context", "intent", sent_ms, sent_ms + 1, intent)
    taken_ms = sent_ms + 2 + chance.lognormvariate(0, 0.4) + added_ms
    done_ms = taken_ms + chance.lognormvariate(0, 0.4) * 20
    executor = builder.process("context", "executor", sent_ms + 1, taken_ms, done_ms + 4, send)
    name = f"tool {HOSTILE}" if number == REQUESTS - 1 else "tool status"
    builder.add(name, "executor", taken_ms + 1, done_ms, executor, "CLIENT", "tool.run", opswire__tool=HOSTILE)
    failed = number % 40 == 39
    outcome = "failed" if failed else "completed"
    builder.send(
        "finished", "executor", done_ms + 1, done_ms + 2, executor, opswire__published=True, opswire__outcome=outcome
    )
    return [replace(span, trace_id=f"{number + 1:032x}") for span in builder.spans]


def fill(path: Path, added_ms: float = ADDED_MS) -> tuple[str, str]:
    """Requests spread over the last two hours; those of the second hour were held up on the bus.

    The two hours as windows of time: however slowly the tests run, these stay the same.
    """
    chance = random.Random(7)
    now_ns = int(time.time()) * 1_000_000_000
    store.create(path)
    step_ns = 2 * HOUR_NS // (REQUESTS + 2)
    for number in range(REQUESTS):
        accepted_ns = now_ns - 2 * HOUR_NS + (number + 1) * step_ns
        slow = accepted_ns > now_ns - HOUR_NS
        store.insert(path, one_request(number, accepted_ns, added_ms if slow else 0.0, chance))
    moments = [
        f"{datetime.fromtimestamp(now_ns // 10**9 - ago_s, UTC):%Y-%m-%dT%H:%M:%SZ}" for ago_s in (7200, 3600, 0)
    ]
    return f"{moments[0]}/{moments[1]}", f"{moments[1]}/{moments[2]}"
