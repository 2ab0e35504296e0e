"""What the ledger booked, for Prometheus: seconds of finished requests by stage, the unattributed ones among them.

    python deploy/prometheus/ledger_metrics.py --rows .opswire/ledger.sqlite3 [--spans .opswire/traces.sqlite3]

Counts requests that finish from its start on. `--spans` also books what the span store holds, where no other process
does. A request is counted once, `--delay-s` after it finished, when its spans have arrived; one that is booked anew
later is not counted again. Whoever restarts it restarts the counters, which Prometheus knows how to read.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from opswire.ledger.rows.database import Database, RowStoreError
from opswire.ledger.rows.following import Follower
from opswire.ledger.rows.model import RequestRow, is_unfinished
from opswire.ledger.rows.store import RowStore
from opswire.ledger.stages import Stage
from opswire.ledger.store import StoreError
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, start_http_server

TRUSTED_SHARE_MAX = 0.05
"""A request with more than this unattributed or adopted is not trusted."""


class LedgerMetrics:
    """Counters of one row store."""

    def __init__(self, rows: RowStore, since_ns: int) -> None:
        """All stages are there from the start, so that a first second is a rise and no new series."""
        self._rows = rows
        self._until_ns = since_ns
        self.registry = CollectorRegistry()
        self._seconds = Counter(
            "opswire_ledger_stage_seconds_total",
            "Time of finished requests, by the stage that it belongs to; adds up to their whole time.",
            ["stage"],
            registry=self.registry,
        )
        self._requests = Counter(
            "opswire_ledger_requests_total",
            "Finished requests, by whether their account can be trusted.",
            ["trusted"],
            registry=self.registry,
        )
        self.booked = Gauge("opswire_ledger_booked_until_seconds", "All before is counted.", registry=self.registry)
        for stage in Stage:
            self._seconds.labels(stage.value)
        for trusted in ("yes", "no"):
            self._requests.labels(trusted)

    def count_until(self, end_ns: int) -> int:
        """Count the requests that finished since the last time and before `end_ns`; how many. Raises RowStoreError."""
        found = [row for row in self._rows.rows(self._until_ns, end_ns) if not is_unfinished(row.flags)]
        for row in found:
            self._count(row)
        self._until_ns = end_ns
        self.booked.set(end_ns / 1e9)
        return len(found)

    def _count(self, row: RequestRow) -> None:
        for stage, (ns, _) in row.stages.items():
            self._seconds.labels(stage).inc(ns / 1e9)
        doubtful_ns = row.unattributed_ns + row.adopted_ns
        self._requests.labels("no" if doubtful_ns > TRUSTED_SHARE_MAX * row.e2e_ns else "yes").inc()


def follow(metrics: LedgerMetrics, book: Callable[[], object], delay_s: float, every_s: float) -> None:
    """Book and count until SIGTERM or Ctrl-C; a store that is away is tried again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(every_s):
        try:
            book()
            metrics.count_until(time.time_ns() - int(delay_s * 1e9))
        except (RowStoreError, StoreError) as error:
            sys.stderr.write(f"not counted, tried again in {every_s:g} s: {error}\n")


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="the row store, a SQLite file")
    parser.add_argument("--spans", type=Path, help="the span store to book from, where nobody else does")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9464)
    parser.add_argument("--delay-s", type=float, default=30.0, help="how long after its finish a request is counted")
    parser.add_argument("--every-s", type=float, default=5.0)
    arguments = parser.parse_args()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    rows = RowStore(Database.sqlite(arguments.rows))
    metrics = LedgerMetrics(rows, time.time_ns())
    start_http_server(arguments.port, arguments.host, metrics.registry)
    follower = Follower(arguments.spans, rows) if arguments.spans is not None else None
    follow(metrics, follower.catch_up if follower is not None else int, arguments.delay_s, arguments.every_s)


if __name__ == "__main__":
    main()
