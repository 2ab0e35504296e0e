"""What the ledger booked, as metrics: seconds of finished requests by stage, and how many accounts can be trusted.

Counts requests that finish from the process' start on, each once, some time after its finish, when its spans have
arrived; one that is booked anew later is not counted again. A restart begins at zero, which Prometheus knows to read.
"""

from __future__ import annotations

from opswire.ledger.rows.model import RequestRow, is_unfinished
from opswire.ledger.rows.store import RowStore
from opswire.ledger.stages import Stage
from prometheus_client import CollectorRegistry, Counter, Gauge

COUNTED_AFTER_S = 30.0
"""After its finish a request is counted: the spans of all processes have come by then."""
UNTRUSTED = "untrusted"


class LedgerMetrics:
    """Counters of one row store. One thread at a time."""

    def __init__(self, registry: CollectorRegistry, since_ns: int, counted_after_s: float = COUNTED_AFTER_S) -> None:
        """All stages are there from the start, so that a first second is a rise and no new series."""
        self._until_ns = since_ns
        self._counted_after_ns = round(counted_after_s * 1e9)
        self._seconds = Counter(
            "opswire_ledger_stage_seconds_total",
            "Time of finished requests, by the stage that it belongs to; adds up to their whole time.",
            ["stage"],
            registry=registry,
        )
        self._requests = Counter(
            "opswire_ledger_requests_total",
            "Finished requests, by whether their account can be trusted.",
            ["trusted"],
            registry=registry,
        )
        self._booked = Gauge(
            "opswire_ledger_booked_until_seconds",
            "Every request that finished before is booked and counted. Seconds since 1970.",
            registry=registry,
        )
        for stage in Stage:
            self._seconds.labels(stage.value)
        for trusted in ("yes", "no"):
            self._requests.labels(trusted)

    @property
    def counted_until_ns(self) -> int:
        """What finished before is counted. Nanoseconds since 1970."""
        return self._until_ns

    def count(self, rows: RowStore, now_ns: int) -> int:
        """Count what finished since the last time and long enough before `now_ns`; how many. Raises RowStoreError."""
        end_ns = now_ns - self._counted_after_ns
        if end_ns <= self._until_ns:
            return 0
        found = [row for row in rows.rows(self._until_ns, end_ns) if not is_unfinished(row.flags)]
        for row in found:
            self._count(row)
        self._until_ns = end_ns
        self._booked.set(end_ns / 1e9)
        return len(found)

    def _count(self, row: RequestRow) -> None:
        for stage, (ns, _) in row.stages.items():
            self._seconds.labels(stage).inc(ns / 1e9)
        self._requests.labels("no" if UNTRUSTED in row.flags else "yes").inc()
