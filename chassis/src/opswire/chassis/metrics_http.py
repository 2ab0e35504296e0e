"""How long HTTP requests took, by route: OpenTelemetry's `http.server.request.duration`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from opswire.chassis.metrics_histogram import OTHER, Histogram
from opswire.chassis.telemetry import parse_traceparent
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HTTP_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class HttpMetrics:
    """The histogram of one process; `around` an application it counts every request of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Empty."""
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "From the request's first byte to the answer's last.",
            ("http_request_method", "http_route", "http_response_status_code"),
            HTTP_BUCKETS_S,
            registry,
        )

    def around(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
        """The application, counted. An address that no route has counts under the empty one: it is a caller's choice.

        A request that names its trace (`traceparent`) is found again by it.
        """
        paths = {id(route.endpoint): route.path for route in routes if isinstance(route, Route)}

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started_s = time.perf_counter()
            status = 500  # what the server answers where the application fails without a word

            async def watched(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, watched)
            finally:
                route = paths.get(id(scope.get("endpoint")), "")
                method = scope["method"] if scope["method"] in _METHODS else OTHER
                series = self._duration.of(method, route, str(status))
                series.observe(time.perf_counter() - started_s, *_caller(scope), time.time())

        return counted


def _caller(scope: Scope) -> tuple[str, str]:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    found: Any = next((value for name, value in headers if name == b"traceparent"), None)
    return parse_traceparent(found.decode("latin-1") if found is not None else None) or ("", "")
