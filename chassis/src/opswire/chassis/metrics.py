"""Prometheus metrics of a service: what came in, what became of it, how long it took."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a memory read to a long tool run; nothing measured here sits in the top bucket.
DURATION_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one process, in a registry of their own so that tests can make several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.handled = Counter(
            "opswire_messages_handled_total",
            "Messages by route and what became of them.",
            ["message", "outcome"],
            registry=self.registry,
        )
        self.duration = Histogram(
            "opswire_message_duration_seconds",
            "From received to settled.",
            ["message"],
            buckets=DURATION_BUCKETS_S,
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
        self.invalidations = Counter(
            "opswire_cache_invalidations_applied_total",
            "Invalidations applied by this process.",
            registry=self.registry,
        )
        self.spans_dropped = Gauge(
            "opswire_spans_dropped", "Spans lost because the queue was full or a sink failed.", registry=self.registry
        )
