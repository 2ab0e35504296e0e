"""The OTLP/HTTP receiver, over a real socket: what exporters send is in the store; what is too much is told to wait."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opswire.chassis.testing.waiting import until
from opswire.ledger import receiver as receiver_module
from opswire.ledger.model import Span
from opswire.ledger.receiver import BODY_BYTES_MAX, JSON, PROTOBUF, Receiver, serve
from opswire.ledger.store import count, create, insert

TRACE = "a" * 32


def body(number: int = 1) -> bytes:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = resource_spans.scope_spans.add().spans
    for place in range(number):
        span = spans.add(name="GET /", start_time_unix_nano=1_000, end_time_unix_nano=9_000)
        span.trace_id, span.span_id = bytes.fromhex(TRACE), (place + 1).to_bytes(8, "big")
    return message.SerializeToString()


JSON_BODY = (
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "'
    + TRACE.encode()
    + b'", "spanId": "00000000000000ff",'
    b' "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]}'
)


@asynccontextmanager
async def running(receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """The receiver behind a real server on a free port of loopback, and a client for it."""
    server = uvicorn.Server(uvicorn.Config(receiver.app(), "127.0.0.1", 0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    writing = asyncio.create_task(receiver.run())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await serving
        receiver.close()
        await writing


async def post(client: httpx.AsyncClient, content: bytes, kind: str = PROTOBUF, **headers: str) -> httpx.Response:
    return await client.post("/v1/traces", content=content, headers={"content-type": kind, **headers})


async def test_both_encodings_plain_and_gzipped_are_written(tmp_path: Path) -> None:
    store = tmp_path / "traces.sqlite"
    create(store)
    async with running(Receiver(lambda spans: insert(store, spans))) as client:
        for content, kind in ((body(3), PROTOBUF), (JSON_BODY, JSON)):
            plain = await post(client, content, kind)
            packed = await post(
                client, gzip.compress(content), f"{kind}; charset=utf-8", **{"content-encoding": "gzip"}
            )
            assert plain.status_code == packed.status_code == 200
            assert plain.headers["content-type"] == kind
            assert plain.content == (b"{}" if kind == JSON else b"")
    assert count(store) == 2 * 3 + 2


async def test_the_opentelemetry_sdks_exporter_is_understood(tmp_path: Path) -> None:
    taken: list[Span] = []
    async with running(Receiver(taken.extend)) as client:
        exporter = OTLPSpanExporter(endpoint=f"{str(client.base_url).rstrip('/')}/v1/traces")
        provider = TracerProvider(resource=Resource({"service.name": "shop", "host.name": "web-01"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")

        def work() -> None:
            with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
                pass

        await asyncio.to_thread(work)
        await asyncio.to_thread(provider.shutdown)
    inner, outer = taken
    assert (inner.name, inner.service, inner.clock_domain, inner.kind) == ("inner", "shop", "web-01", "INTERNAL")
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)


class HeldUp:
    """A store that takes its time: until it is let go, nothing is written."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.written: list[Span] = []

    def __call__(self, spans: Sequence[Span]) -> None:
        self.begun.set()
        assert self.go.wait(30)
        self.written.extend(spans)


async def test_who_sends_faster_than_is_written_is_told_when_to_come_back_and_nothing_is_lost() -> None:
    store = HeldUp()
    receiver = Receiver(store, held_max=25)
    async with running(receiver) as client:
        answers = [await post(client, body(10)) for _ in range(3)]
        await asyncio.to_thread(store.begun.wait, 30)
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["retry-after"] == "1"
        assert receiver.held == 20
        assert b"send again" in answers[2].content
        store.go.set()
        await until(lambda: not receiver.held)
        assert (await post(client, body(10))).status_code == 200
    assert len(store.written) == 30
    assert (receiver.taken, receiver.refused) == (30, 1)


async def test_only_so_many_bodies_are_read_at_a_time() -> None:
    receiver = Receiver(lambda _: None, bodies_max=1)
    begun, rest = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield JSON_BODY[:10]
        begun.set()
        await rest.wait()
        yield JSON_BODY[10:]

    async with running(receiver) as client:
        headers = {"content-type": JSON}
        first = asyncio.create_task(client.post("/v1/traces", content=slow(), headers=headers))
        await begun.wait()
        await until(lambda: receiver._bodies == 1)
        assert (await post(client, JSON_BODY, JSON)).status_code == 429
        rest.set()
        assert (await first).status_code == 200


async def test_a_store_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "RETRY_AFTER_S", 0)
    written: list[Span] = []
    failures = [sqlite3.OperationalError("database is locked"), OSError("no space"), None]

    def write(spans: Sequence[Span]) -> None:
        failure = failures.pop(0)
        if failure is not None:
            raise failure
        written.extend(spans)

    async with running(Receiver(write)) as client:
        assert (await post(client, body(2))).status_code == 200
        await until(lambda: bool(written))
    assert len(written) == 2


@pytest.mark.parametrize(
    ("content", "kind", "encoding", "status", "told"),
    [
        (b"{}", "text/plain", "", 415, b"expected application/json"),
        (b"{}", JSON, "br", 415, b"Content-Encoding"),
        (b"{", JSON, "", 400, b"not an ExportTraceServiceRequest"),
        (b"[]", JSON, "", 400, b"expected a JSON object"),
        (b'{"resourceSpans": [{"resource": {"attributes": [7]}}]}', JSON, "", 400, b"OTLP's form"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}', JSON, "", 400, b"without 'traceId'"),
        (JSON_BODY.replace(b'"2"', b'"9999999999999999999"'), JSON, "", 400, b"no nanosecond"),
        (b"\x0a\x05abc", PROTOBUF, "", 400, b"in protobuf"),
        (b"no gzip", PROTOBUF, "gzip", 400, b"not gzip"),
        (gzip.compress(JSON_BODY)[:-9], JSON, "gzip", 400, b"cut off"),
        (bytes(BODY_BYTES_MAX + 1), PROTOBUF, "", 413, b"larger than"),
        (gzip.compress(bytes(receiver_module.UNPACKED_BYTES_MAX + 1)), PROTOBUF, "gzip", 413, b"unpacks to more"),
    ],
)
async def test_what_is_not_otlp_is_refused(content: bytes, kind: str, encoding: str, status: int, told: bytes) -> None:
    receiver = Receiver(lambda _: None)
    async with running(receiver) as client:
        headers = {"content-encoding": encoding} if encoding else {}
        answer = await post(client, content, kind, **headers)
        assert answer.status_code == status
        assert told in answer.content
        assert answer.headers["content-type"] == (PROTOBUF if kind == PROTOBUF else JSON)
        assert (await client.get("/v1/traces")).status_code == 405
    assert (receiver.taken, receiver.refused) == (0, 1)


async def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not loopback"):
        await serve(tmp_path / "traces.sqlite", host="0.0.0.0")
