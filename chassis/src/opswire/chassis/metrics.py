"""Prometheus metrics of a service: what came in, what became of it, how long it took.

Durations are made of spans (`metrics_spans`); what is counted here is what no span says. docs/runbooks and
deploy/grafana are written against these names.
"""

from __future__ import annotations

from collections.abc import Iterator

from opswire.chassis.metrics_http import HttpMetrics
from opswire.chassis.metrics_loop import LoopLag
from opswire.chassis.metrics_spans import SpanMetrics
from opswire.chassis.telemetry import exporter
from prometheus_client import CollectorRegistry, Counter, Gauge, Info, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Metrics:
    """The metrics of one process, in a registry of their own so that tests can make several."""

    def __init__(self, service: str = "", version: str = "") -> None:
        # In OpenMetrics each counter would bring a second series with the time it was made: twice the series, for what
        # a restart's own metrics say too.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("target", "Which program this is.", registry=self.registry).info(
            {"service_name": service, "service_version": version}
        )
        self.spans = SpanMetrics(self.registry)
        self.http = HttpMetrics(self.registry)
        self.loop_lag = LoopLag(self.registry)
        self.registry.register(_Dropped())
        self.handled = Counter(
            "opswire_messages_handled_total",
            "Messages by route and what became of them.",
            ["message", "outcome"],
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "opswire_messages_in_flight", "Messages being handled now.", ["message"], registry=self.registry
        )
        self.redelivered = Counter(
            "opswire_messages_redelivered_total",
            "Deliveries after the first, by route.",
            ["message"],
            registry=self.registry,
        )
        self.parked = Counter(
            "opswire_messages_parked_total", "Poison messages, by code.", ["code"], registry=self.registry
        )
        self.cache_reads = Counter(
            "opswire_cache_reads_total",
            "Cache reads by cache and outcome.",
            ["cache", "outcome"],
            registry=self.registry,
        )
        self.cache_checked = Counter(
            "opswire_cache_hits_checked_total",
            "Hits that were compared with their source, by what that said.",
            ["cache", "result"],
            registry=self.registry,
        )
        self.invalidations = Counter(
            "opswire_cache_invalidations_applied_total",
            "Invalidations applied by this process.",
            registry=self.registry,
        )


class _Dropped(Collector):
    """Told when asked for, from where it is counted."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "opswire_spans_dropped",
            "Spans lost because the queue was full or a sink failed.",
            value=exporter.dropped,
        )
