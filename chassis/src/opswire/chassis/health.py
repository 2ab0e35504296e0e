"""Health and metrics over HTTP: /health/live, /health/ready, /metrics, and what a service adds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from opswire.chassis.metrics import Metrics
from opswire.chassis.redaction import redactor
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

Checks = Callable[[], dict[str, str]]
"""Answers each part's state: `ok`, or a sentence that says what is wrong and what to do."""
Details = Callable[[], dict[str, Any]]
"""Answers what else there is to know of a service, as JSON values. Never a secret: the answer needs no token."""


def create_health_app(
    service: str,
    version: str,
    checks: Checks,
    metrics: Metrics,
    extra: Sequence[BaseRoute],
    details: Details = dict,
) -> ASGIApp:
    """The HTTP side of a service. `ready` is 503 while any part is not `ok`; `live` only says that the loop turns.

    `details` are shown by `ready` and decide nothing.
    """

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok", "service": service, "version": version})

    async def ready(_: Request) -> Response:
        parts = checks()
        well = all(state == "ok" for state in parts.values())
        status = "ok" if well else "unavailable"
        body = {"status": status, "service": service, "version": version, "parts": parts}
        shown = details()
        body |= {"details": shown} if shown else {}
        return JSONResponse(redactor.value(body), status_code=200 if well else 503)

    async def prometheus(request: Request) -> Response:
        # OpenMetrics where it is asked for, as Prometheus does: only that form carries the traces of the buckets.
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(redactor.known_in(encode(metrics.registry)), media_type=content_type)

    routes = [Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", prometheus), *extra]
    return metrics.http.around(Starlette(routes=routes), routes)


class HttpServer:
    """uvicorn inside our own loop and under our own signal handling."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._address = (host, port)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=3)
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on, also when 0 was asked for."""
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises OSError naming the address when it is taken."""
        try:
            self._socket.bind(self._address)
        except OSError as error:
            raise OSError(f"cannot listen on {self._address[0]}:{self._address[1]}: {error.strerror}") from error
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # uvicorn has no event for it
        if self._task.done():
            self._task.result()  # it failed: say so now, not at the end

    async def stop(self) -> None:
        """End open requests and stop listening."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
