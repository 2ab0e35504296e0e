"""`trace`: the ledger's account of one request."""

from __future__ import annotations

import time
from pathlib import Path

from opswire.cli.console import terminal, write_json
from opswire.cli.errors import NotFoundError, NotRunningError
from opswire.cli.views.trace import render_trace, trace_as_json
from opswire.ledger.account import account
from opswire.ledger.model import Span
from opswire.ledger.store import StoreError, read_request

# The services hand their spans over every quarter of a second: a trace looked at sooner would lack its end.
SETTLE_S = 0.6
SETTLE_MAX_S = 3.0
LOOK_AGAIN_S = 0.1


def print_trace(store: Path, source: str, request_id: str, as_json: bool) -> None:
    """Print where the time of a request went. Raises NotFoundError when the store has no span of it."""
    key = f"{source}/{request_id}"
    try:
        spans = settled_spans(store, key)
    except StoreError as error:
        raise NotRunningError(str(error), "opswire up, then ask something") from error
    if not spans:
        raise NotFoundError(f"no trace of {key} in {store}", "traces are kept for a day; opswire show has the facts")
    request, segments = account(key, spans)
    if as_json:
        write_json(trace_as_json(request, spans, segments))
        return
    console = terminal()
    for part in render_trace(request, spans, segments):
        console.print(part)


def settled_spans(store: Path, key: str) -> list[Span]:
    """The spans of a request, once none can be under way any more: all of them are older than the exporters' pause."""
    give_up = time.monotonic() + SETTLE_MAX_S
    while True:
        spans = read_request(store, key)
        newest_ns = max((span.end_ns for span in spans), default=time.time_ns())
        if time.time_ns() - newest_ns > SETTLE_S * 1e9 or time.monotonic() > give_up:
            return spans
        time.sleep(LOOK_AGAIN_S)
