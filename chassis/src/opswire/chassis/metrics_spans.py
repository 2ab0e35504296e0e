"""Metrics made of finished spans, off the event loop: what is measured once is told twice, and costs a request nothing.

Names and labels are those of OpenTelemetry's semantic conventions in Prometheus' spelling, where they name one. Each
bucket carries the trace of its latest value. Values come from spans that were kept: when `opswire_spans_dropped` rises,
these rise too slowly.
"""

from __future__ import annotations

from collections.abc import Sequence

from opswire.chassis.metrics_histogram import Histogram
from opswire.chassis.telemetry import Span
from opswire.contracts.types import FinishStatus
from prometheus_client import CollectorRegistry, Counter

WORK_BUCKETS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    *(2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0),
)
"""From a read in memory to the longest tool run. A bound that nothing reaches costs a few bytes a scrape."""
WAIT_BUCKETS_S = (*WORK_BUCKETS_S, 3_600.0, 14_400.0, 43_200.0, 90_000.0)
"""What may wait for a person: until the longest deadline, a day, and an hour."""
TOKEN_BUCKETS = (1, 4, 16, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536, 262_144, 1_048_576)

_BUS = ("messaging_system", "messaging_operation_name", "messaging_destination_template")
_MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "opswire_llm_endpoint")

_HISTOGRAMS: tuple[tuple[str, str, Sequence[str], Sequence[float]], ...] = (
    (
        "messaging_process_duration_seconds",
        "From received to settled.",
        (*_BUS, "messaging_consumer_group_name", "error_type"),
        WORK_BUCKETS_S,
    ),
    (
        "messaging_client_operation_duration_seconds",
        "From published to acknowledged by the broker.",
        (*_BUS, "error_type"),
        WORK_BUCKETS_S,
    ),
    (
        "opswire_bus_wait_seconds",
        "From stored by the broker to first received. By the broker's clock and ours.",
        ("messaging_destination_template",),
        WAIT_BUCKETS_S,
    ),
    (
        "gen_ai_client_operation_duration_seconds",
        "From sent to answered, by attempt; failed ones too.",
        (*_MODEL, "error_type"),
        WORK_BUCKETS_S,
    ),
    ("gen_ai_client_token_usage", "Tokens of one answer.", (*_MODEL, "gen_ai_token_type"), TOKEN_BUCKETS),
    (
        "db_client_operation_duration_seconds",
        "Queries, by what they are for.",
        ("db_system_name", "db_query_summary", "error_type"),
        WORK_BUCKETS_S,
    ),
    (
        "opswire_stage_duration_seconds",
        "Spans by stage. They lie inside each other: what adds up is the ledger's account.",
        ("opswire_stage",),
        WAIT_BUCKETS_S,
    ),
    (
        "opswire_request_duration_seconds",
        "From accepted by the broker to the outcome that stands, by how it ended.",
        ("outcome",),
        WAIT_BUCKETS_S,
    ),
)
"""Name, what it is, labels, buckets."""


class SpanMetrics:
    """A sink that counts. Written to by the exporter's thread only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """The histograms are there from now on, and empty."""

        made = {name: Histogram(name, text, labels, bounds, registry) for name, text, labels, bounds in _HISTOGRAMS}
        self._process = made["messaging_process_duration_seconds"]
        self._send = made["messaging_client_operation_duration_seconds"]
        self._wait = made["opswire_bus_wait_seconds"]
        self._model = made["gen_ai_client_operation_duration_seconds"]
        self._tokens = made["gen_ai_client_token_usage"]
        self._database = made["db_client_operation_duration_seconds"]
        self._stage = made["opswire_stage_duration_seconds"]
        self._request = made["opswire_request_duration_seconds"]
        finished = Counter("opswire_requests_finished_total", "Outcomes that stand.", ["outcome"], registry=registry)
        # There from the start, so that the first failure is a rise from zero and not a series that appears.
        self._finished = {status.value: finished.labels(status.value) for status in FinishStatus}

    def write(self, spans: Sequence[Span]) -> None:
        """Count a batch."""
        for span in spans:
            duration_s = (span.end_ns - span.start_ns) / 1e9
            at_s = span.end_ns / 1e9
            trace = (span.trace_id, span.span_id, at_s)
            self._stage.of(str(span.attributes.get("opswire.stage", ""))).observe(duration_s, *trace)
            if span.kind == "CONSUMER":
                self._taken(span, duration_s, trace)
            elif span.kind == "PRODUCER":
                self._sent(span, duration_s, trace)
            elif "gen_ai.operation.name" in span.attributes:
                self._asked(span, duration_s, trace)
            elif "db.system.name" in span.attributes:
                system = str(span.attributes["db.system.name"])
                self._database.of(system, span.name, _error(span)).observe(duration_s, *trace)

    def close(self) -> None:
        """Nothing to close: what was counted stays."""

    def _taken(self, span: Span, duration_s: float, trace: tuple[str, str, float]) -> None:
        attributes = span.attributes
        template = str(attributes.get("messaging.destination.template", ""))
        group = str(attributes.get("messaging.consumer.group.name", ""))
        system = str(attributes.get("messaging.system", ""))
        self._process.of(system, "process", template, group, _error(span)).observe(duration_s, *trace)
        stored_ns = attributes.get("messaging.nats.message.stored_time")
        if isinstance(stored_ns, int) and attributes.get("messaging.nats.message.delivery_attempt") == 1:
            self._wait.of(template).observe(max(0, span.start_ns - stored_ns) / 1e9, *trace)

    def _sent(self, span: Span, duration_s: float, trace: tuple[str, str, float]) -> None:
        attributes = span.attributes
        template = str(attributes.get("messaging.destination.template", ""))
        system = str(attributes.get("messaging.system", ""))
        self._send.of(system, "send", template, _error(span)).observe(duration_s, *trace)
        outcome, total_ms = attributes.get("opswire.outcome"), attributes.get("opswire.request.duration_ms")
        if outcome in self._finished and isinstance(total_ms, float) and attributes.get("opswire.published") is True:
            self._request.of(str(outcome)).observe(total_ms / 1e3, *trace)
            self._finished[str(outcome)].inc()

    def _asked(self, span: Span, duration_s: float, trace: tuple[str, str, float]) -> None:
        attributes = span.attributes
        names = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "opswire.llm.endpoint")
        labels = tuple(str(attributes.get(name, "")) for name in names)
        self._model.of(*labels, _error(span)).observe(duration_s, *trace)
        for kind in ("input", "output"):
            tokens = attributes.get(f"gen_ai.usage.{kind}_tokens")
            if isinstance(tokens, int):
                self._tokens.of(*labels, kind).observe(tokens, *trace)


def _error(span: Span) -> str:
    """What failed, in a closed word; empty where nothing did."""
    if span.status != "ERROR":
        return ""
    return str(span.attributes.get("opswire.failure.code") or span.attributes.get("error.type") or "_OTHER")
