"""What a span costs in the ledger, from a file to a booked request, and what it takes in memory.

    just bench ledger [--rounds 5] [--gigabytes 0] [--json]

Spans carry eight attributes. Each form and size is measured in a process of its own, on one core, with the peak of its
resident memory: reading (the file's bytes to spans, grouped into traces) and booking (walk, account), in CPU time.
`--gigabytes 1` adds a file of that size, made in the temporary folder and deleted; 200 traces are always interleaved.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opswire.ledger.account import account, account_trace
from opswire.ledger.pausing import collections_paused
from opswire.ledger.readers.files import read_file
from opswire.ledger.readers.traces import HELD_MAX, Traces

TEXTS = {
    "messaging.system": "nats",
    "messaging.operation.type": "process",
    "messaging.destination.name": "opswire.v1.cli.0192f0c1.submitted",
    "messaging.destination.template": "opswire.v1.{source}.{request_id}.submitted",
    "messaging.consumer.group.name": "intent-request-submitted",
    "opswire.stage": "tool.run",
}
NUMBERS = {"messaging.nats.stream.sequence": 4_711, "messaging.nats.message.delivery_attempt": 1}
SPANS_EACH = 18
INTERLEAVED = 200
BASE_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One file through the ledger."""

    what: str
    megabytes: float
    spans: int
    traces: int
    us_per_span: float
    read_us_per_span: float
    seconds: float
    peak_mb: float
    held_peak: int
    moved: int


def _spans(chance: random.Random, number: int, count: int) -> list[dict[str, Any]]:
    """A tree of calls, two below each, in the order of time; each lies in its parent."""
    trace_id = f"{chance.getrandbits(128):032x}"
    ids = [f"{chance.getrandbits(64):016x}" for _ in range(count)]
    texts = [{"key": key, "value": {"stringValue": text}} for key, text in TEXTS.items()]
    numbers = [{"key": key, "value": {"intValue": str(whole)}} for key, whole in NUMBERS.items()]
    start = BASE_NS + number * 10_000_000
    bounds = [(start, start + count * 1_000_000)]
    for place in range(1, count):
        left, right = bounds[(place - 1) // 2]
        half = (right - left) // 2
        bounds.append((left + half * ((place - 1) % 2) + 1, left + half * ((place - 1) % 2) + half))
    return [
        {
            "traceId": trace_id,
            "spanId": ids[place],
            "parentSpanId": ids[(place - 1) // 2] if place else "",
            "name": f"operation {place}",
            "kind": 1,
            "startTimeUnixNano": str(bounds[place][0]),
            "endTimeUnixNano": str(bounds[place][1]),
            "attributes": [*texts, *numbers],
            "status": {},
        }
        for place in range(count)
    ]


def _batch(spans: list[dict[str, Any]]) -> dict[str, Any]:
    resource_attributes = [{"key": "service.name", "value": {"stringValue": "intent"}}]
    return {"resourceSpans": [{"resource": {"attributes": resource_attributes}, "scopeSpans": [{"spans": spans}]}]}


def lines(megabytes: float, spans_each: int) -> Iterator[str]:
    """Batches as the collector writes them, traces interleaved, until the size is reached."""
    chance = random.Random(1)
    written = number = 0
    while written < megabytes * 1e6:
        traces = [_spans(chance, number + place, spans_each) for place in range(INTERLEAVED if spans_each < 100 else 1)]
        number += len(traces)
        for place in range(0, spans_each, 6):
            for pair in range(0, len(traces), 4):
                batch = [span for trace in traces[pair : pair + 4] for span in trace[place : place + 6]]
                line = json.dumps(_batch(batch), separators=(",", ":")) + "\n"
                written += len(line)
                yield line


def _write(path: Path, megabytes: float, spans_each: int, form: str) -> None:
    with path.open("wb") as file:
        for line in lines(megabytes, spans_each):
            file.write(line.encode() if form == "json" else _protobuf(json.loads(line)))


def _protobuf(document: dict[str, Any]) -> bytes:
    data = TracesData()
    resource_spans = data.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "intent"
    spans = resource_spans.scope_spans.add().spans
    for found in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span = spans.add(name=found["name"], kind=1)
        span.trace_id, span.span_id = bytes.fromhex(found["traceId"]), bytes.fromhex(found["spanId"])
        span.parent_span_id = bytes.fromhex(found["parentSpanId"])
        span.start_time_unix_nano = int(found["startTimeUnixNano"])
        span.end_time_unix_nano = int(found["endTimeUnixNano"])
        for key, text in TEXTS.items():
            span.attributes.add(key=key).value.string_value = text
        for key, whole in NUMBERS.items():
            span.attributes.add(key=key).value.int_value = whole
    body = data.SerializeToString()
    return len(body).to_bytes(4, "big") + body


def _measure(what: str, path: Path, rounds: int) -> Measured:
    totals, reads, walls = [], [], []
    spans = groups = 0
    traces = Traces()
    for _ in range(rounds):
        begun = time.process_time()
        spans = sum(1 for _ in read_file(path))
        reads.append((time.process_time() - begun) / spans * 1e6)
        traces = Traces()
        groups = 0
        begun, wall = time.process_time(), time.perf_counter()
        for group in traces.groups(read_file(path)):
            groups += 1
            request, segments = (
                account_trace(group.trace_id, group.spans)
                if group.request_key is None
                else account(group.request_key, group.spans)
            )
            assert sum(segment.duration_ns for segment in segments) == request.e2e_ns
        totals.append((time.process_time() - begun) / spans * 1e6)
        walls.append(time.perf_counter() - wall)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    return Measured(
        what,
        path.stat().st_size / 1e6,
        spans,
        groups,
        statistics.median(totals),
        statistics.median(reads),
        statistics.median(walls),
        peak,
        traces.held_peak,
        traces.moved,
    )


def _paused(what: str, path: Path, rounds: int) -> Measured:
    with collections_paused():  # as `opswire trace --from` does
        return _measure(what, path, rounds)


def _cases(gigabytes: float) -> Iterator[tuple[str, str, float, int, int | None]]:
    """Name, form, megabytes, spans in a trace, rounds (None: as asked)."""
    yield "OTLP JSON lines, traces of 18 spans", "json", 5, SPANS_EACH, None
    yield "OTLP JSON lines, traces of 33 spans", "json", 30, 33, None
    yield "OTLP JSON lines, one trace of 23,000 spans", "json", 20, 23_000, None
    yield "OTLP protobuf, traces of 18 spans", "protobuf", 15, SPANS_EACH, None
    if gigabytes:
        yield f"OTLP JSON lines, {gigabytes:g} GB interleaved", "json", gigabytes * 1_000, SPANS_EACH, 1


def main() -> None:
    """Measure every case in a process of its own and print microseconds a span."""
    parser = argparse.ArgumentParser(prog="just bench ledger", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each case; medians are printed")
    parser.add_argument("--gigabytes", type=float, default=0, help="also a file of this size (slow: it is made first)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for what, form, megabytes, spans_each, rounds in _cases(options.gigabytes):
            path = Path(folder) / "spans"
            _write(path, megabytes, spans_each, form)
            # A fresh process, so that its peak is this case's.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(_paused, (what, path, rounds or options.rounds)))
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    print(f"{'':44}{'MB':>8}{'spans':>10}{'us/span':>9}{'reading':>9}{'s':>8}{'peak MB':>9}{'held':>9}{'moved':>10}")
    for one in found:
        print(
            f"{one.what:44}{one.megabytes:8.0f}{one.spans:10,}{one.us_per_span:9.1f}{one.read_us_per_span:9.1f}"
            f"{one.seconds:8.1f}{one.peak_mb:9.0f}{one.held_peak:9,}{one.moved:10,}"
        )
    print(f"us/span: CPU, from the file to the booked request; at most {HELD_MAX:,} spans are held in memory at a time")


if __name__ == "__main__":
    main()
