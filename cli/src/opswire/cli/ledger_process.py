"""The ledger as a process of its own, as `opswire up` starts it: `python -m opswire.cli.ledger_process`.

Books what finishes all the time, because spans last a day and rows a month; takes OTLP spans at /v1/traces; serves the
latency page, and health and metrics as every service does. Requests do not need it: while it is away nothing waits.

    OPSWIRE_STATE_DIR    where the row store lies, unless OPSWIRE_LEDGER_URL names a PostgreSQL
    OPSWIRE_TRACE_STORE  the span store that it reads, and that OTLP spans go to
    OPSWIRE_HTTP_HOST    loopback; anywhere else OTLP spans are taken with the token alone
    OPSWIRE_HTTP_PORT    where it answers
    OPSWIRE_HTTP_TOKEN   what the page's questions need
    OPSWIRE_LEDGER_COUNTED_AFTER_S  how long after its finish a request is counted at /metrics; 30
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import sqlite3
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opswire.chassis.health import HttpServer, create_health_app
from opswire.chassis.http import guarded
from opswire.chassis.logs import configure_logs, get_logger
from opswire.chassis.metrics import Metrics
from opswire.cli.errors import CommandError
from opswire.cli.latency import trace_store
from opswire.cli.latency_server import Following, Pages
from opswire.cli.ledger_metrics import COUNTED_AFTER_S, LedgerMetrics
from opswire.cli.state import StateDir
from opswire.ledger.receiver import Receiver
from opswire.ledger.rows.store import RowStore
from opswire.ledger.store import create, insert
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

EXIT_CANNOT_START = 78  # EX_CONFIG: restarting does not help


class LedgerSettings(BaseSettings):
    """From the environment, prefix `OPSWIRE_`."""

    model_config = SettingsConfigDict(env_prefix="OPSWIRE_", extra="ignore", frozen=True)

    state_dir: Path = Path(".opswire")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65_535)
    http_token: SecretStr
    log_level: str = "INFO"
    ledger_counted_after_s: float = Field(default=COUNTED_AFTER_S, ge=0)

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can ask. Raises ValueError where the host is no address."""
        return ipaddress.ip_address(self.http_host).is_loopback


class LedgerProcess:
    """Everything that the process does, put together."""

    def __init__(self, settings: LedgerSettings) -> None:
        """Makes the span store where it is not there. Raises OSError or sqlite3.Error."""
        state = StateDir(settings.state_dir)
        self._store = trace_store(state)
        create(self._store)
        self.metrics = Metrics("ledger", version("opswire-cli"))
        self._counters = LedgerMetrics(self.metrics.registry, time.time_ns(), settings.ledger_counted_after_s)
        self._following = Following(state, self._count)
        self._receiver = Receiver(lambda spans: insert(self._store, spans))
        self._settings = settings
        self._pages = Pages(state, self._following, settings.http_token.get_secret_value())

    def app(self) -> ASGIApp:
        """Health, metrics, OTLP and the page. What a browser is made to ask by another site's name is refused."""
        token = self._settings.http_token.get_secret_value()
        taking: list[Route] = self._receiver.routes()
        if not self._settings.is_loopback:
            taking = [Route(route.path, guarded(route.endpoint, token), methods=["POST"]) for route in taking]
        routes: list[BaseRoute] = [*taking, *self._pages.routes()]
        app = create_health_app("ledger", version("opswire-cli"), self._parts, self.metrics, routes, self._shown)
        return self._pages.behind_names(app) if self._settings.is_loopback else app

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises OSError when the port is taken."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = HttpServer(self.app(), self._settings.http_host, self._settings.http_port)
        writing = asyncio.create_task(self._receiver.run())
        self._following.start()
        try:
            await server.start()
            get_logger().info("ready", port=server.port)
            await stop.wait()
        finally:
            self._receiver.close()
            await asyncio.gather(writing, return_exceptions=True)
            await asyncio.to_thread(self._following.stop)
            await server.stop()

    def _count(self, rows: RowStore) -> None:
        self._counters.count(rows, time.time_ns())

    def _parts(self) -> dict[str, str]:
        return {"rows": self._following.trouble or "ok"}

    def _shown(self) -> dict[str, Any]:
        spans = {"taken": self._receiver.taken, "held": self._receiver.held, "refused": self._receiver.refused}
        return {"otlp": spans, "counted_until_ns": self._counters.counted_until_ns}


def main() -> None:
    """Run; a setting that is wrong is said in one line."""
    configure_logs("ledger", "INFO")
    try:
        settings = LedgerSettings()
        configure_logs("ledger", settings.log_level)
        asyncio.run(LedgerProcess(settings).run())
    except (ValidationError, ValueError) as error:
        get_logger().error("cannot start", reason=f"a setting (OPSWIRE_...) is wrong: {error}")
        sys.exit(EXIT_CANNOT_START)
    except (CommandError, OSError, sqlite3.Error) as error:
        get_logger().error("cannot start", reason=str(error))
        sys.exit(EXIT_CANNOT_START)


if __name__ == "__main__":
    main()
