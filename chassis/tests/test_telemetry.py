"""Spans: ids and parents, what becomes of them when a sink fails or the queue is full, and OTLP over real HTTP."""

from __future__ import annotations

import platform
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opswire.chassis import telemetry
from opswire.chassis.sinks import OtlpSink, SpanStore, sinks_of
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import (
    Exporter,
    Span,
    current_span,
    exporter,
    parse_traceparent,
    recorded_if_sent,
    remote_child,
    span,
)
from opswire.chassis.testing.recorded_spans import recorded_spans

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"00-{TRACE}-{PARENT}-01", (TRACE, PARENT)),
        (f"00-{TRACE}-{PARENT}-00", (TRACE, PARENT)),
        (f"cc-{TRACE}-{PARENT}-01-more", (TRACE, PARENT)),
        (None, None),
        ("", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE[:-1]}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-1", None),
        (f"00_{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE[:-1]}g-{PARENT}-01", None),
        (f"00-{TRACE}{PARENT}-01" + "-" * 10, None),
        (f"zz-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-zz", None),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"cc-{TRACE}-{PARENT}-01more", None),
    ],
)
def test_a_traceparent_is_read_or_refused(value: str | None, found: tuple[str, str] | None) -> None:
    assert parse_traceparent(value) == found


def test_a_child_belongs_to_the_span_around_it_and_a_remote_child_to_its_sender() -> None:
    with remote_child("process", f"00-{TRACE}-{PARENT}-01", "test/r1", {}) as outer:
        assert (outer.trace_id, outer.parent_id, outer.kind) == (TRACE, PARENT, "CONSUMER")
        with span("query", Stage.ASSETS_DB, {"rows": 1}) as inner:
            assert current_span() is inner
        assert (inner.trace_id, inner.parent_id, inner.request_key) == (TRACE, outer.span_id, "test/r1")
        assert inner.attributes == {"opswire.stage": "assets.db", "rows": 1}
        assert current_span() is outer
    assert current_span() is None
    assert outer.start_ns <= inner.start_ns <= inner.end_ns <= outer.end_ns
    assert len({outer.span_id, inner.span_id, PARENT}) == 3
    assert parse_traceparent(inner.traceparent) == (TRACE, inner.span_id)


def test_without_a_sender_there_is_a_new_trace() -> None:
    first, second = remote_child("a", None, None, {}), remote_child("b", "nonsense", None, {})
    root = span("c", Stage.POLICY)
    assert len({first.trace_id, second.trace_id, root.trace_id}) == 3
    assert first.parent_id is second.parent_id is root.parent_id is None


def test_an_error_is_written_into_the_span_and_goes_on() -> None:
    failing = span("a", Stage.POLICY)
    with pytest.raises(LookupError), failing:
        raise LookupError
    assert (failing.status, failing.attributes["error.type"]) == ("ERROR", "LookupError")
    assert current_span() is None


class Recording:
    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.seen: list[str] = []
        self.wrote = threading.Event()
        self.is_closed = False

    def write(self, spans: Sequence[Span]) -> None:
        self.wrote.set()
        if self.fails:
            raise OSError("disk full")
        self.seen += [one.name for one in spans]

    def close(self) -> None:
        self.is_closed = True


def test_a_failing_sink_is_counted_and_does_not_stop_the_other() -> None:
    bad, good, errors = Recording(fails=True), Recording(), list[Exception]()
    own = Exporter()
    own.start([bad, good], errors.append)
    for number in range(10):
        own.offer(span(str(number), Stage.POLICY))
    own.stop()
    assert good.seen == [str(number) for number in range(10)]
    assert (own.dropped, [str(error) for error in errors][:1]) == (10, ["disk full"])
    assert bad.is_closed
    assert good.is_closed


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "QUEUE_SPANS_MAX", 5)
    monkeypatch.setattr(telemetry, "EXPORT_INTERVAL_S", 60.0)
    sink, own = Recording(), Exporter()
    own.start([sink], lambda _: None)
    for number in range(8):
        own.offer(span(str(number), Stage.POLICY))
    assert own.dropped == 3
    own.stop()
    assert sink.seen == ["0", "1", "2", "3", "4"]


def test_without_sinks_nothing_is_kept() -> None:
    own = Exporter()
    own.start([], lambda _: None)
    own.offer(span("a", Stage.POLICY))
    assert (len(own._queue), own.dropped) == (0, 0)
    own.stop()


def looked_at(sends: bool) -> list[str]:
    with recorded_spans() as spans, recorded_if_sent(), span("look", Stage.POLICY):
        with span("read", Stage.POLICY):
            pass
        if sends:
            with span("send", Stage.PUBLISH_ACK, kind="PRODUCER"):
                pass
        with span("end", Stage.POLICY):
            pass
    return [one.name for one in spans]


def test_a_look_is_recorded_as_a_whole_where_it_sent_something_and_not_at_all_where_not() -> None:
    assert looked_at(sends=False) == []
    assert looked_at(sends=True) == ["read", "send", "end", "look"]
    with recorded_spans() as spans, span("after", Stage.POLICY):
        pass
    assert [one.name for one in spans] == ["after"]


def test_finished_spans_reach_the_store(tmp_path: Path) -> None:
    exporter.start([SpanStore(tmp_path / "a" / "traces.sqlite3", "intent")], lambda _: None)
    with remote_child("process", None, "test/r1", {"n": 1}) as outer, span("query", Stage.ASSETS_DB):
        pass
    exporter.stop()
    with sqlite3.connect(tmp_path / "a" / "traces.sqlite3") as database:
        ((key, trace, service, text),) = database.execute(
            "SELECT request_key, trace_id, service, spans FROM span_batches"
        ).fetchall()
    assert (key, trace, service) == ("test/r1", outer.trace_id, "intent")
    assert [row[2] for row in orjson.loads(text)] == ["query", "process"]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A real HTTP server on loopback that decodes what OpenTelemetry's exporter posts."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if self.path == "/v1/traces" else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_arrive_at_a_collector_as_they_were(collector: tuple[str, list[ExportTraceServiceRequest]]) -> None:
    url, received = collector
    outer = remote_child("process", f"00-{TRACE}-{PARENT}-01", "test/r1", {"sequence": 7, "share": 0.5, "ok": True})
    outer.links.append((TRACE, PARENT))
    with outer, span("query", Stage.ASSETS_DB, kind="CLIENT") as inner:
        inner.status = "OK"
    sink = OtlpSink(url + "/", "assets", "1.2.3")
    sink.write([outer, inner])
    sink.close()
    (resource,) = received[0].resource_spans
    described = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert (described["service.name"], described["service.version"]) == ("assets", "1.2.3")
    assert described["host.name"] == platform.node() or described["host.name"] == "localhost"
    assert described["service.instance.id"]
    first, second = resource.scope_spans[0].spans
    assert (first.trace_id.hex(), first.span_id.hex(), first.parent_span_id.hex()) == (TRACE, outer.span_id, PARENT)
    assert (second.parent_span_id.hex(), second.name) == (outer.span_id, "query")
    assert (first.kind, second.kind) == (5, 3)  # CONSUMER, CLIENT
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (outer.start_ns, outer.end_ns)
    values = {pair.key: pair.value for pair in first.attributes}
    assert (values["sequence"].int_value, values["share"].double_value, values["ok"].bool_value) == (7, 0.5, True)
    assert (values["opswire.request_key"].string_value, "opswire.request_key" in outer.attributes) == ("test/r1", False)
    assert (first.status.code, second.status.code) == (0, 1)
    assert first.links[0].trace_id.hex() == TRACE


def test_the_settings_choose_the_sinks(tmp_path: Path, collector: tuple[str, object]) -> None:
    assert sinks_of("a", "0", None, None) == []
    kinds = [type(sink) for sink in sinks_of("a", "0", tmp_path / "t", collector[0])]
    assert kinds == [SpanStore, OtlpSink]


def test_the_store_forgets_what_is_over_a_day_old_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.chassis.sinks.FORGET_INTERVAL_S", 0)
    store = SpanStore(tmp_path / "traces.sqlite3", "test")
    with span("old", Stage.POLICY) as old:
        old.start_ns -= 25 * 3600 * 1_000_000_000
    with span("new", Stage.POLICY) as new:
        pass
    store.write([new])
    store.write([old, new])
    with sqlite3.connect(tmp_path / "traces.sqlite3") as connection:
        rows = connection.execute("SELECT spans FROM span_batches").fetchall()
    connection.close()
    store.close()
    assert len(rows) == 2
    assert all("old" not in text for (text,) in rows)
