"""What the cache service measures of itself and of the protocol, for Prometheus."""

from __future__ import annotations

from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ACKNOWLEDGED_BUCKETS_S = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 1.0, 2.5, 10.0, 60.0)


class CacheMetrics:
    """One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.published = Counter(
            "opswire_cache_invalidations_published_total", "Invalidations sent.", registry=registry
        )
        self.tags = Counter(
            "opswire_cache_tags_invalidated_total", "Tags named by invalidations sent.", registry=registry
        )
        self._acknowledged = Histogram(
            "opswire_cache_acknowledgement_seconds",
            "From an invalidation read from the log to in force in every process.",
            buckets=ACKNOWLEDGED_BUCKETS_S,
            registry=registry,
        )
        self._late = Counter(
            "opswire_cache_holders_late_total", "Holders fenced because they did not answer in time.", registry=registry
        )
        self.canary = Histogram(
            "opswire_cache_canary_seconds",
            "From a change of the canary until nobody served the old value.",
            buckets=ACKNOWLEDGED_BUCKETS_S,
            registry=registry,
        )
        self.canary_stale = Counter(
            "opswire_cache_canary_stale_reads_total",
            "Answers with the canary's old value after the acknowledgement: must stay zero.",
            registry=registry,
        )
        self.canary_failed = Counter(
            "opswire_cache_canary_failed_total", "Rounds of the canary that came to nothing.", registry=registry
        )
        self.holders = Gauge("opswire_cache_holders", "Processes that cache, heard of lately.", registry=registry)

    def on_acknowledged(self, _: CachesInvalidated, acknowledged: InvalidationAcknowledged) -> None:
        """Count one acknowledgement."""
        self._acknowledged.observe(acknowledged.took_ms / 1_000)
        self._late.inc(len(acknowledged.late))
