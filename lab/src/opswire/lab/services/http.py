"""A small HTTP/1.1 server and client on asyncio: one request a connection, enough for the lab and nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from opswire.lab.services.runtime import Configuration, Endpoint, one_line

HEAD_BYTES_MAX = 8_192
BODY_BYTES_MAX = 65_536
CLIENT_TIMEOUT_S = 5.0
UPSTREAM_TIMEOUT_S = 2.0
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"}
REASONS |= {502: "Bad Gateway", 503: "Service Unavailable"}


class UpstreamError(Exception):
    """A service that this one depends on is away or answers with an error."""


@dataclass(frozen=True, slots=True)
class Response:
    """A status and a document, sent as JSON."""

    status: int
    document: object


Handler = Callable[[], Awaitable[Response]]


class HttpServer:
    """Serves GET on fixed paths and writes a line a request to the service's log."""

    def __init__(self, configuration: Configuration, routes: Mapping[str, Handler], log: logging.Logger) -> None:
        self._configuration = configuration
        self._routes = routes
        self._log = log

    async def start(self) -> asyncio.Server:
        """Listen. Raises OSError when the port is taken."""
        endpoint = self._configuration.endpoint
        server = await asyncio.start_server(self._serve, endpoint.host, endpoint.port, limit=HEAD_BYTES_MAX)
        self._log.info("%s (%s) listens on %s", self._configuration.name, self._configuration.environment, endpoint)
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started = time.perf_counter()
        line, response = "-", Response(400, {"error": "not an HTTP request"})
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line = head.partition("\r\n")[0]
            response = await self._answer(line)
        except (TimeoutError, asyncio.LimitOverrunError):
            line = "unreadable request"
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()  # a port check, not a request
            return
        await _send(writer, response)
        level = logging.ERROR if response.status >= 500 else logging.INFO
        took_ms = (time.perf_counter() - started) * 1_000
        self._log.log(level, "%s %d %.1f ms", one_line(line.removesuffix(" HTTP/1.1")), response.status, took_ms)

    async def _answer(self, line: str) -> Response:
        parts = line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            return Response(400, {"error": "not an HTTP request"})
        if parts[0] != "GET":
            return Response(405, {"error": "only GET is served"})
        handler = self._routes.get(parts[1].partition("?")[0])
        if handler is None:
            return Response(404, {"error": "no such page"})
        try:
            return await handler()
        except UpstreamError as error:
            self._log.error("%s", one_line(str(error)))
            return Response(502, {"error": str(error)})


async def _send(writer: asyncio.StreamWriter, response: Response) -> None:
    body = json.dumps(response.document).encode() + b"\n"
    head = (
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(ConnectionError):
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def fetch(name: str, endpoint: Endpoint, path: str) -> Response:
    """GET a JSON document from another service. Raises UpstreamError when it is away, slow or unreadable."""
    try:
        async with asyncio.timeout(UPSTREAM_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, limit=BODY_BYTES_MAX)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {endpoint}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(-1)
            finally:
                writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return Response(int(head.split(b" ")[1]), json.loads(body))
    except (OSError, TimeoutError, ValueError, IndexError) as error:
        raise UpstreamError(away(name, endpoint, error)) from error


def away(name: str, endpoint: Endpoint, error: BaseException) -> str:
    """One sentence about an upstream that did not answer."""
    match error:
        case ConnectionRefusedError():
            reason = "connection refused"
        case TimeoutError():
            reason = "no answer in time"
        case _:
            reason = type(error).__name__
    return f"{name} at {endpoint} is away: {reason}"
