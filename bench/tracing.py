"""What one span costs on the caller's side: ours, and OpenTelemetry's SDK with its batch processor, in one run.

    just bench tracing [--rounds 7] [--spans 20000] [--json]

Both spans carry eight attributes, are children of another, and go to an exporter that throws them away.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, exporter, span

ATTRIBUTES: dict[str, str | int | float | bool] = {
    "messaging.system": "nats",
    "messaging.operation.type": "process",
    "messaging.destination.name": "opswire.v1.cli.0192f0c1.submitted",
    "messaging.destination.template": "opswire.v1.{source}.{request_id}.submitted",
    "messaging.consumer.group.name": "intent-request-submitted",
    "messaging.nats.stream.sequence": 4_711,
    "messaging.nats.message.delivery_attempt": 1,
    "messaging.nats.message.stored_time": 1_795_219_243_000_000_000,
}


class NowhereSink:
    """Throws our spans away."""

    def write(self, spans: Sequence[Span]) -> None:
        """Take a batch."""

    def close(self) -> None:
        """Nothing to release."""


class NowhereExporter(SpanExporter):
    """Throws the SDK's spans away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  the SDK's interface
        """Take a batch."""
        return SpanExportResult.SUCCESS


def per_span_us(work: Callable[[], None], spans: int) -> float:
    """Microseconds of one span."""
    begun = time.perf_counter()
    for _ in range(spans):
        work()
    return (time.perf_counter() - begun) / spans * 1e6


def measure(rounds: int, spans: int) -> tuple[list[float], list[float]]:
    """Interleaved rounds of ours and the SDK's, in microseconds per span."""
    exporter.start([NowhereSink()], lambda _: None)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(NowhereExporter(), max_queue_size=200_000))
    tracer = provider.get_tracer("bench")

    def ours() -> None:
        with span("process submitted", Stage.INTENT_COMPUTE, dict(ATTRIBUTES)):
            pass

    def theirs() -> None:
        with tracer.start_as_current_span("process submitted", attributes=ATTRIBUTES):
            pass

    our_rounds: list[float] = []
    their_rounds: list[float] = []
    with span("parent", Stage.INTENT_COMPUTE), tracer.start_as_current_span("parent"):
        for _ in range(rounds):
            our_rounds.append(per_span_us(ours, spans))
            their_rounds.append(per_span_us(theirs, spans))
    exporter.stop()
    provider.shutdown()
    return our_rounds, their_rounds


def main() -> None:
    """Run the rounds, print medians and the ratio."""
    parser = argparse.ArgumentParser(prog="just bench tracing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds; medians are printed")
    parser.add_argument("--spans", type=int, default=20_000, help="spans in each round")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    ours, theirs = (statistics.median(rounds) for rounds in measure(options.rounds, options.spans))
    if options.json:
        print(json.dumps({"ours_us": ours, "opentelemetry_sdk_us": theirs, "ratio": ours / theirs}))
        return
    print(f"ours               {ours:6.1f} us a span")
    print(f"OpenTelemetry SDK  {theirs:6.1f} us a span")
    print(f"ours / OpenTelemetry SDK: {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
