"""What a span costs. The figure is printed (`pytest -s`); the bound is wide, for a busy machine."""

from __future__ import annotations

import time

from opswire.ledger.account import account
from opswire.ledger.model import Span
from opswire.ledger.testing import TraceBuilder, whole_request

REQUESTS = 300
MICROSECONDS_PER_SPAN_MAX = 150


def test_a_span_costs_microseconds() -> None:
    spans = whole_request(TraceBuilder())
    best = min(_run(spans) for _ in range(5))
    per_span_us = best * 1e6 / (REQUESTS * len(spans))
    print(f"\nledger: {per_span_us:.1f} us per span, {len(spans)} spans a request")  # noqa: T201  the figure is the point
    assert per_span_us < MICROSECONDS_PER_SPAN_MAX


def _run(spans: list[Span]) -> float:
    began = time.process_time()
    for _ in range(REQUESTS):
        account("cli/r1", spans)
    return time.process_time() - began
