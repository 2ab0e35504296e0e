"""Puts a service together and runs it: connect, check, consume, serve, drain.

A service's `app.py` builds one of these, gives it handlers and returns it; nothing happens at import.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from nats.errors import Error as NatsError
from opswire.chassis.bus import Bus
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.switching import obey_switches
from opswire.chassis.delivery import Deliveries, EndRequest, Handler
from opswire.chassis.durability import check_durability
from opswire.chassis.ending import end_all
from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.facts import Facts
from opswire.chassis.health import HttpServer, create_health_app
from opswire.chassis.logs import configure_logs, get_logger
from opswire.chassis.metrics import Metrics
from opswire.chassis.metrics_broker import BrokerWatch
from opswire.chassis.parking import Parking
from opswire.chassis.publisher import Publisher
from opswire.chassis.reading import describe
from opswire.chassis.sending import Sender
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.sinks import sinks_of
from opswire.chassis.telemetry import exporter
from opswire.contracts.route import Consumer, Route
from opswire.contracts.routes import CHANGES, FACTS, NOT_STORED, PARKED, PROGRESS, ROUTES
from pydantic import ValidationError
from starlette.routing import BaseRoute

Hook = Callable[[], Awaitable[None]]
EXIT_CANNOT_START = 78  # EX_CONFIG: restarting does not help
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: what the service needs is away; restarting later helps


class Service:
    """One service process.

    Handlers are added with `on`; `before_start` hooks run when the broker is connected and checked, `background` tasks
    for as long as the service runs, `at_end` hooks after draining. `checks` decide whether it is ready; `details` are
    shown beside them and decide nothing.
    """

    def __init__(self, name: str, version: str, settings: ServiceSettings) -> None:
        self.name = name
        self.version = version
        self.settings = settings
        self.metrics = Metrics(name, version)
        self.bus = Bus(name, settings)
        self.log = InvalidationLog(self.bus, self.metrics, name)
        obey_switches(self.log)
        self.checks: dict[str, Callable[[], str]] = {}
        self.details: dict[str, Callable[[], Any]] = {}
        self.http_routes: list[BaseRoute] = []
        self.before_start: list[Hook] = []
        self.background: list[Hook] = []
        self.at_end: list[Hook] = []
        self.end_request: EndRequest | None = None
        self.sender: Sender
        self._taken: list[tuple[Route, Consumer, Handler]] = []
        self._http: HttpServer | None = None
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def on(self, route: Route, handler: Handler) -> None:
        """Handle the messages of a route. Raises LookupError when the route table gives them to somebody else."""
        self._taken.append((route, route.consumer_of(self.name), handler))

    async def start(self) -> None:
        """Connect, check and consume; ready when it returns. Raises DriftError, ConnectionError or OSError."""
        started_s = time.monotonic()
        sinks = sinks_of(self.name, self.version, self.settings.trace_store, self.settings.otlp_endpoint)
        sinks = [*sinks, self.metrics.spans] if self.settings.telemetry == "on" else []
        exporter.start(sinks, lambda error: get_logger().warning("spans lost", error=str(error)))
        client = await self.bus.connect()
        taken = [(route, consumer) for route, consumer, _ in self._taken]
        await self.bus.check(taken, self._streams())
        await check_durability(self.settings)
        publisher = Publisher(client)
        await publisher.start()
        self.sender = Sender(self.name, client, publisher, Facts(client, publisher, FACTS))
        parking = Parking(self.name, self.sender, self.metrics)
        for route, consumer, handler in self._taken:
            deliveries = Deliveries(
                self.name, route, consumer, handler, self.end_request, client, self.sender, parking, self.metrics
            )
            self.bus.subscribe(route, consumer, deliveries)
        await self.log.start()
        for hook in self.before_start:
            await hook()
        await self.bus.start()
        measuring = [self.metrics.loop_lag.run, BrokerWatch(self.bus, self.metrics, taken, self._streams()).run]
        self._tasks = [asyncio.create_task(self._guarded(hook)) for hook in (*measuring, *self.background)]
        await self._serve_http()
        get_logger().info("ready", port=self.http_port, start_ms=round((time.monotonic() - started_s) * 1000))

    def _streams(self) -> set[str]:
        """Every stream that this service reads or writes. Progress may be lost, and its stream with it."""
        touched = {
            route.stream
            for route in ROUTES
            if self.name in (*route.senders, *route.watchers, *(consumer.service for consumer in route.consumers))
        }
        return (touched | {FACTS, PARKED, CHANGES}) - {PROGRESS, NOT_STORED}

    async def _serve_http(self) -> None:
        app = create_health_app(self.name, self.version, self._states, self.metrics, self.http_routes, self._shown)
        self._http = HttpServer(app, self.settings.http_host, self.settings.http_port)
        await self._http.start()

    @property
    def http_port(self) -> int:
        """Where health, metrics and the service's own routes answer."""
        return self._http.port if self._http else 0

    def _states(self) -> dict[str, str]:
        states = {"broker": "ok" if self.bus.is_connected else "not connected; reconnecting"}
        return states | {name: check() for name, check in self.checks.items()}

    def _shown(self) -> dict[str, Any]:
        """Every detail that can be told; one that fails says so and keeps none of the others back."""
        found: dict[str, Any] = {}
        for name, tell in self.details.items():
            try:
                found[name] = orjson.loads(orjson.dumps(tell(), default=str, option=orjson.OPT_NON_STR_KEYS))
            except Exception as error:  # noqa: BLE001  what is only shown must never make a service unready
                get_logger().exception("a health detail failed", detail=name)
                found[name] = {"error": type(error).__name__}
        return found

    async def _guarded(self, hook: Hook) -> None:
        """A background task that fails is begun again; the fault is logged, never swallowed."""
        while not self._stop.is_set():
            try:
                await hook()
                return
            except Exception:  # noqa: BLE001  a background fault must not end the service
                get_logger().exception("background task failed; begun again in a second")
                await asyncio.sleep(1)

    async def stop(self) -> None:
        """Drain and close: what is in flight ends, nothing new is taken. Unfinished messages come again elsewhere."""
        self._stop.set()
        try:
            # First of all: what is in flight needs the log and what follows the world, a kill switch say, to its end.
            await self.bus.drain()
        except NatsError as error:
            get_logger().info("drained without the broker", error=type(error).__name__)
        await end_all(self._tasks)
        await self.log.stop()
        try:
            await self.bus.stop()
        except NatsError as error:
            # The broker is away: there is nobody to drain with. What was not acknowledged comes again.
            get_logger().info("ended without the broker", error=type(error).__name__)
            with contextlib.suppress(RuntimeError):  # uvloop's word for a buffer that nobody is left to take
                await self.bus.client.close()
        for hook in self.at_end:
            await hook()
        if self._http is not None:
            await self._http.stop()
        await asyncio.to_thread(exporter.stop)
        get_logger().info("drained")

    async def run(self) -> None:
        """Start, wait for SIGTERM or SIGINT, drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if not await self._started():
            return
        # Long-lived start-up objects are never garbage; looking at them again cost 13 to 33 % and gave p99 spikes.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)
        await self._stop.wait()
        await self.stop()

    async def _started(self) -> bool:
        """Start; False when a signal ended the attempt. Raises what `start` raises."""
        starting = asyncio.create_task(self.start())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            try:
                await starting
            except NatsError as error:
                what = f"{type(error).__name__}: {error}"
                reason = f"the broker went away, or refuses what a service needs (is JetStream on?): {what}"
                raise ConnectionError(reason) from error
            return True
        starting.cancel()
        await asyncio.wait((starting,))
        get_logger().info("ended before it was ready")
        return False


def run_service(name: str, create: Callable[[], Service | Awaitable[Service]]) -> None:
    """Run a service as this process' main job.

    Ends with one clear line when it cannot start: exit code 78 where a restart does not help, 69 where it may later.
    """
    configure_logs(name, os.environ.get("OPSWIRE_LOG_LEVEL", "INFO"))

    async def main() -> None:
        try:
            made = create()
            service = made if isinstance(made, Service) else await made
            await service.run()
        except ValidationError as error:
            get_logger().error("cannot start", reason=f"a setting (OPSWIRE_...) is wrong: {describe(error)}")
            sys.exit(EXIT_CANNOT_START)
        except (ConnectionError, TimeoutError, RetryableError) as error:
            # No fault of ours and none of the settings': whoever started us tries again.
            get_logger().warning("cannot start yet", reason=str(error) or type(error).__name__)
            sys.exit(EXIT_UNAVAILABLE)
        except (OpswireError, OSError) as error:
            get_logger().error("cannot start", reason=str(error))
            sys.exit(EXIT_CANNOT_START)

    if sys.platform != "win32":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
