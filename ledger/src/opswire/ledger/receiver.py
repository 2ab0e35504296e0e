"""The OTLP/HTTP receiver of the embedded mode: takes spans on loopback and puts them into the span store.

    OPSWIRE_TRACE_STORE=.opswire/traces.sqlite python -m opswire.ledger.receiver

`POST /v1/traces` takes JSON and protobuf, plain or gzipped, as OpenTelemetry's exporters and the collector send it.
What is held is bounded in bodies and in spans; who sends more is told 429 and when to come back. Nothing that was
answered with 200 is dropped while the process lives: a store that cannot be written is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
from opswire.ledger.model import Span
from opswire.ledger.readers.otlp import read_otlp
from opswire.ledger.readers.otlp_protobuf import read_otlp_protobuf
from opswire.ledger.store import create, insert
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

BODY_BYTES_MAX = 16 * 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
HELD_MAX = 50_000
"""Spans taken and not yet written."""
BODIES_MAX = 8
"""Bodies that are read and decoded at a time."""
RETRY_AFTER_S = 1
TIME_NS_MAX = 1 << 63
"""What the store has room for: until the year 2262."""
PORT = 4318
JSON, PROTOBUF = "application/json", "application/x-protobuf"
_GZIP_WINDOW = 31

Write = Callable[[Sequence[Span]], None]


class _Refusal(Exception):
    """The request is answered with an error status and this sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Receiver:
    """Takes spans over HTTP and writes them, in the order in which they came. Use `app`, and `run` beside it."""

    def __init__(self, write: Write, held_max: int = HELD_MAX, bodies_max: int = BODIES_MAX) -> None:
        """`write` is called in a thread with a batch, one call at a time; what it raises of sqlite3.Error and OSError
        makes the batch wait and come again."""
        self._write = write
        self._held_max = held_max
        self._bodies_max = bodies_max
        self._bodies = 0
        self._batches: list[list[Span]] = []
        self._writing = 0
        self._wake = asyncio.Event()
        self._closing = False
        self.refused = 0
        self.taken = 0

    @property
    def held(self) -> int:
        """Spans taken and not yet written."""
        return sum(map(len, self._batches)) + self._writing

    def app(self) -> Starlette:
        """The HTTP side."""
        return Starlette(routes=self.routes())

    def routes(self) -> list[Route]:
        """For an application that has more to serve."""
        return [Route("/v1/traces", self._post, methods=["POST"])]

    async def run(self) -> None:
        """Write what comes, until `close`. Raises what the store raises at the very end."""
        while not self._closing or self._batches:
            if not self._batches:
                await self._wake.wait()
                self._wake.clear()
                continue
            await self._write_batch(self._take_batch())

    def close(self) -> None:
        """Let `run` write what is held and end."""
        self._closing = True
        self._wake.set()

    async def _write_batch(self, batch: list[Span]) -> None:
        while True:
            try:
                await asyncio.to_thread(self._write, batch)
            except (sqlite3.Error, OSError):
                if self._closing:
                    raise
                # Senders are told 429 when the places are used up; until then nothing is lost.
                await asyncio.sleep(RETRY_AFTER_S)
            else:
                self._writing = 0
                return

    def _take_batch(self) -> list[Span]:
        batch = [span for spans in self._batches for span in spans]
        self._batches.clear()
        self._writing = len(batch)
        return batch

    async def _post(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            await self._take(request, content_type)
        except _Refusal as refusal:
            self.refused += 1
            return _refused(refusal, content_type)
        except ClientDisconnect:
            return Response(status_code=400)
        return Response(b"{}" if content_type == JSON else b"", media_type=content_type)

    async def _take(self, request: Request, content_type: str) -> None:
        if content_type not in (JSON, PROTOBUF):
            raise _Refusal(415, f"expected {JSON} or {PROTOBUF}, found {content_type[:80]!r}")
        if self._bodies >= self._bodies_max or self.held >= self._held_max:
            raise _Refusal(429, "the ledger writes as fast as it can; send again")
        self._bodies += 1
        try:
            body = await _body(request)
            spans = await asyncio.to_thread(_decoded, body, content_type)
        finally:
            self._bodies -= 1
        if self.held and self.held + len(spans) > self._held_max:
            raise _Refusal(429, "the ledger writes as fast as it can; send again")
        if spans:
            self._batches.append(spans)
            self.taken += len(spans)
            self._wake.set()


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise _Refusal(413, f"the body is larger than {BODY_BYTES_MAX} bytes; send smaller batches")
        chunks.append(chunk)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        return await asyncio.to_thread(_unpacked, b"".join(chunks))
    if encoding not in ("", "identity"):
        raise _Refusal(415, f"expected gzip or nothing as Content-Encoding, found {encoding[:80]!r}")
    return b"".join(chunks)


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = unpacking.decompress(body, UNPACKED_BYTES_MAX + 1)
    except zlib.error as error:
        raise _Refusal(400, f"not gzip: {error}") from error
    if len(content) > UNPACKED_BYTES_MAX:
        raise _Refusal(413, f"the body unpacks to more than {UNPACKED_BYTES_MAX} bytes; send smaller batches")
    if not unpacking.eof:
        raise _Refusal(400, "the gzipped body is cut off")
    return content


def _decoded(body: bytes, content_type: str) -> list[Span]:
    try:
        if content_type == PROTOBUF:
            spans = list(read_otlp_protobuf(body))
        else:
            document = orjson.loads(body)
            if not isinstance(document, dict):
                raise ValueError('expected a JSON object with "resourceSpans"')
            spans = list(read_otlp(document))
        if any(not 0 <= time < TIME_NS_MAX for span in spans for time in (span.start_ns, span.end_ns)):
            raise ValueError("a time that is no nanosecond since 1970")
        return spans
    except ValueError as error:
        raise _Refusal(400, f"not an ExportTraceServiceRequest: {error}") from error


def _refused(refusal: _Refusal, content_type: str) -> Response:
    """A google.rpc.Status in the sender's own encoding, as OTLP wants it."""
    sentence = str(refusal)[:500]
    if content_type == PROTOBUF:
        text = sentence.encode()
        # Field 2 of Status is its message; two bytes of length reach for 16 kB.
        body = b"\x12" + bytes((len(text) & 127 | 128, len(text) >> 7)) + text
    else:
        content_type, body = JSON, orjson.dumps({"message": sentence})
    headers = {"Retry-After": str(RETRY_AFTER_S)} if refusal.status == 429 else None
    return Response(body, refusal.status, headers, content_type)


async def serve(store: Path, host: str = "127.0.0.1", port: int = PORT) -> None:
    """Receive into a span store until cancelled. Raises ValueError for a host that is not loopback."""
    import uvicorn

    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{host} is not loopback: anyone could write; put the OpenTelemetry collector in front")
    create(store)
    receiver = Receiver(lambda spans: insert(store, spans))
    server = uvicorn.Server(uvicorn.Config(receiver.app(), host, port, log_level="warning", lifespan="off"))
    writing = asyncio.create_task(receiver.run())
    writing.add_done_callback(lambda _: setattr(server, "should_exit", True))
    try:
        await server.serve()
    finally:
        receiver.close()
        await writing


def main() -> None:
    """`OPSWIRE_TRACE_STORE` names the store, `OPSWIRE_OTLP_PORT` the port."""
    store = Path(os.environ.get("OPSWIRE_TRACE_STORE", ".opswire/traces.sqlite"))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(store, port=int(os.environ.get("OPSWIRE_OTLP_PORT", str(PORT)))))


if __name__ == "__main__":
    main()
