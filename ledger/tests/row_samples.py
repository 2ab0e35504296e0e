"""Rows and spans for the tests over many requests: made by hand, real ones with time put in, and a PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from zlib import crc32

from opswire.ledger.account import account
from opswire.ledger.graph import STORED_TIME
from opswire.ledger.model import Segment, Span
from opswire.ledger.rows.model import RequestRow, row_of
from opswire.ledger.testing import TraceBuilder, whole_request

BASE_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


def request_row(key: str, at_s: float, stages: dict[str, float], **more: object) -> RequestRow:
    """A row that finished `at_s` seconds after the base; stages in milliseconds."""
    booked = {name: (round(ms * 1e6), 1) for name, ms in stages.items()}
    e2e = sum(ns for ns, _ in booked.values())
    t1 = BASE_NS + round(at_s * SECOND_NS)
    who = {"source": ["cli"]}
    row = RequestRow(
        key, ("a" * 32,), "intent>assets", "completed", t1 - e2e, t1, e2e, 1.0, (), 0, 0, 0, 0, who, 1, booked
    )
    return replace(row, **more)  # type: ignore[arg-type]


def noisy_rows(seed: int, count: int, **extra_ms: float) -> list[RequestRow]:
    """Requests whose stages vary as real ones do, with the same time added to a stage (`bus_wait=200`) of each."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        stages = {
            name: chance.lognormvariate(0, 0.5) * median
            for name, median in {"bus.wait": 2, "publish.ack": 1.5, "intent.compute": 3, "tool.run": 30}.items()
        }
        for name, added in extra_ms.items():
            stages[name.replace("_", ".")] = stages.get(name.replace("_", "."), 0.0) + added
        found.append(request_row(f"cli/{seed}-{number}", number, stages))
    return found


def spans_of(key: str, base_ns: int = BASE_NS) -> list[Span]:
    """A whole request of 40 ms, its trace its own."""
    trace_id = f"{crc32(key.encode()):08x}{base_ns:024x}"
    return [replace(span, trace_id=trace_id) for span in whole_request(TraceBuilder(key, base_ns))]


def stretched(spans: Sequence[Span], at_ns: int, by_ns: int) -> list[Span]:
    """The same spans as they would be had everything stood still for a while: what is later moves, what spans it grows.

    So a delay in any stage is put into real spans without inventing one.
    """

    def moved(ns: int) -> int:
        return ns + by_ns if ns > at_ns else ns

    found = []
    for span in spans:
        attributes = dict(span.attributes)
        stored = attributes.get(STORED_TIME)
        if isinstance(stored, int):
            attributes[STORED_TIME] = moved(stored)
        found.append(replace(span, start_ns=moved(span.start_ns), end_ns=moved(span.end_ns), attributes=attributes))
    return found


def delayed(key: str, spans: Sequence[Span], stage: str, by_ns: int) -> RequestRow:
    """The row of a request that was held up in the middle of its longest piece of a stage; as it was without one."""
    _, segments = account(key, spans)
    pieces = [segment for segment in segments if segment.stage.value == stage]
    if not pieces:
        return booked(key, spans)
    longest = max(pieces, key=_length)
    return booked(key, stretched(spans, (longest.start_ns + longest.end_ns) // 2, by_ns))


def _length(segment: Segment) -> tuple[int, int]:
    return segment.duration_ns, -segment.seq


def booked(key: str, spans: Iterable[Span]) -> RequestRow:
    """The row of a request."""
    spans = list(spans)
    return row_of(*account(key, spans), spans)
