"""Where finished spans go: the local span store (SQLite) and OTLP."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from opswire.chassis.telemetry import Sink, Span

RETENTION_S = 24 * 3600
FORGET_INTERVAL_S = 600.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS span_batches(
    request_key TEXT, trace_id TEXT NOT NULL, service TEXT NOT NULL, clock_domain TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, spans TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS span_batches_request_key ON span_batches(request_key);
CREATE INDEX IF NOT EXISTS span_batches_trace_id ON span_batches(trace_id);
CREATE INDEX IF NOT EXISTS span_batches_start_ns ON span_batches(start_ns);
"""
"""One row for what one process did for one request within a quarter second: a row for every span cost three times more.

`spans` is a JSON list of [span_id, parent_id, name, kind, start_ns, end_ns, status, attributes, links].
"""
# One statement for a whole batch: SQLite works on it without the interpreter's lock, which a statement for each row
# would take and give back a thousand times a second, each time at the event loop's cost.
_INSERT = """
INSERT INTO span_batches
SELECT value ->> 0, value ->> 1, ?, ?, value ->> 2, value ->> 3, value -> 4 FROM json_each(?)
"""


class SpanStore:
    """The embedded mode's traces: one SQLite file that all processes of a machine write to (WAL)."""

    def __init__(self, path: Path, service: str) -> None:
        self._path = path
        self._service = service
        self._clock_domain = platform.node() or "localhost"
        self._connection: sqlite3.Connection | None = None
        self._forget_next_s = 0.0

    def _open(self) -> sqlite3.Connection:
        # Opened in the exporter's thread, where it is used: SQLite connections do not change threads.
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")  # traces may be lost with the machine, not with us
            connection.executescript(SCHEMA)
            self._connection = connection
        return self._connection

    def _forget_old(self, connection: sqlite3.Connection) -> None:
        now_s = time.monotonic()
        if now_s < self._forget_next_s:
            return
        self._forget_next_s = now_s + FORGET_INTERVAL_S
        oldest_ns = time.time_ns() - RETENTION_S * 1_000_000_000
        connection.execute("DELETE FROM span_batches WHERE start_ns < ?", (oldest_ns,))

    def write(self, spans: Sequence[Span]) -> None:
        """Insert a batch in one transaction. Raises sqlite3.Error."""
        together: dict[tuple[str | None, str], list[Span]] = {}
        for span in spans:
            together.setdefault((span.request_key, span.trace_id), []).append(span)
        rows = [_row(key, trace_id, group) for (key, trace_id), group in together.items()]
        connection = self._open()
        connection.execute(_INSERT, (self._service, self._clock_domain, orjson.dumps(rows).decode()))
        self._forget_old(connection)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _row(request_key: str | None, trace_id: str, spans: Sequence[Span]) -> tuple[object, ...]:
    start_ns = min(span.start_ns for span in spans)
    end_ns = max(span.end_ns for span in spans)
    return request_key, trace_id, start_ns, end_ns, [_columns(span) for span in spans]


def _columns(span: Span) -> tuple[object, ...]:
    return (
        span.span_id,
        span.parent_id,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        span.status,
        span.attributes,
        span.links,
    )


class OtlpSink:
    """An OTLP collector, through OpenTelemetry's own exporter: our spans become the SDK's ReadableSpan off the loop."""

    def __init__(self, endpoint: str, service: str, version: str) -> None:
        # Imported here: the exporter brings requests and protobuf, 20 MB that the embedded mode does not need.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opswire.chassis.otlp import resource_of

        self._exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._resource = resource_of(service, version)

    def write(self, spans: Sequence[Span]) -> None:
        """Send a batch. Raises ConnectionError when the collector did not take it."""
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opswire.chassis.otlp import readable_span

        if self._exporter.export([readable_span(s, self._resource) for s in spans]) is not SpanExportResult.SUCCESS:
            raise ConnectionError("the OTLP collector did not take the spans")

    def close(self) -> None:
        """Flush and release the exporter."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def sinks_of(service: str, version: str, trace_store: Path | None, otlp_endpoint: str | None) -> list[Sink]:
    """The sinks that the settings ask for; none is a valid choice."""
    sinks: list[Sink] = []
    if trace_store is not None:
        sinks.append(SpanStore(trace_store, service))
    if otlp_endpoint:
        sinks.append(OtlpSink(otlp_endpoint, service, version))
    return sinks
