"""The whole system as real processes on free ports, for tests that break it: broker, Valkey and the four services.

Each process can be killed, paused and started again by name. Nothing is restarted by itself: a test says when.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opswire.chassis.broker_keys import ACCOUNTS_FILE, ADMINISTRATOR, connect_options, write_keys
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import end, log_tail, spawn
from opswire.chassis.embedded.server import EmbeddedServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.provision import provision
from opswire.chassis.testing.waiting import wait_until

SERVICES = ("intent", "assets", "executor", "cache")
READY_TIMEOUT_S = 60.0
TOKEN = "token-of-a-test"  # noqa: S105  no secret: it guards a server that lives as long as a test


class System:
    """Owns every process and its directory; use it as a context manager, from the main thread.

    `settings` are environment variables for all services. Synchronous writes are off: these tests kill processes, they
    cut no power. With `upstreams` the broker knows these, the people by name and public key, and our services by their
    keys, and lets nobody else in; `seed` names the files.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        sync_always: bool = False,
        upstreams: Sequence[str] = (),
        people: Mapping[str, str] | None = None,
    ) -> None:
        """No process is started yet."""
        self.directory = directory
        self.is_secured = bool(upstreams)
        if self.is_secured:
            write_keys(directory / "broker", upstreams, people)
        accounts = (directory / "broker" / ACCOUNTS_FILE).read_text() if self.is_secured else ""
        self.nats = NatsServer(directory / "nats", sync_always=sync_always, accounts=accounts)
        self.valkey = ValkeyServer(directory / "valkey")
        self._settings = dict(settings or {})
        self._servers: dict[str, EmbeddedServer] = {"nats": self.nats, "valkey": self.valkey}
        self._ports: dict[str, int] = {}
        self._services: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Start all and wait until every service is ready."""
        try:
            self.nats.start()
            self.valkey.start()
            seed_file = self.seed(ADMINISTRATOR) if self.is_secured else None
            asyncio.run(provision(self.nats.url, connect_options=connect_options(seed_file)))
            for name in SERVICES:
                self._ports[name] = free_port(frozenset(self._ports.values()))
                self.launch(name)
            self.wait_ready(*SERVICES)
        except BaseException:
            self.stop_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all; nothing is left behind."""
        self.stop_all()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that can be killed: the four services and the two servers."""
        return (*SERVICES, *self._servers)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The process of the latest launch. Raises KeyError for an unknown name."""
        return self._servers[name].process if name in self._servers else self._services[name]

    def pids(self) -> dict[str, int]:
        """The process id of each, alive or not."""
        return {name: self.process(name).pid for name in self.names}

    def is_running(self, name: str) -> bool:
        """Whether its process is alive; a paused one is."""
        return self.process(name).poll() is None

    def launch(self, name: str) -> None:
        """Start it on the port it always had and return at once; a running one is left alone."""
        if name in self._servers:
            self._servers[name].launch()
        elif name not in self._services or not self.is_running(name):
            arguments = [sys.executable, "-m", f"opswire.{name}"]
            self._services[name] = spawn(arguments, self.log_path(name), self._environment(name))

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone. Safe to repeat."""
        self.process(name).kill()
        self.process(name).wait(10)

    def pause(self, name: str) -> None:
        """SIGSTOP: it lives and does nothing."""
        self.process(name).send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT. Safe to repeat."""
        self.process(name).send_signal(signal.SIGCONT)

    def stop(self, name: str, timeout_s: float = 30) -> int:
        """SIGTERM, and its exit status; killed after `timeout_s`, which the status then shows."""
        return end(self.process(name), timeout_s)

    def stop_all(self) -> None:
        """Stop the services, then the servers. Safe to repeat."""
        for process in self._services.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._services.values():
            end(process)
        for server in self._servers.values():
            server.stop()

    def is_ready(self, name: str) -> bool:
        """Whether it answers now, asked once."""
        if name in self._servers:
            return self._servers[name].answers()
        try:
            with urllib.request.urlopen(f"{self.url(name)}/health/ready", None, 2) as reply:  # noqa: S310  our own
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self, *names: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until each answers. Raises RuntimeError with the log's end of one that ended or took longer."""
        for name in names:
            try:
                wait_until(partial(self._is_ready_or_over, name), lambda: "is not ready", timeout_s)
                what = "" if self.is_running(name) else f"ended with {self.process(name).returncode}"
            except TimeoutError as late:
                what = str(late)
            if what:
                raise RuntimeError(f"{name} {what}; its log ends with:\n{log_tail(self.log_path(name), 20)}")

    def _is_ready_or_over(self, name: str) -> bool:
        return self.is_ready(name) or not self.is_running(name)

    def health(self, name: str) -> dict[str, Any]:
        """What a ready service shows of itself. Raises HTTPError when it is not ready."""
        with urllib.request.urlopen(f"{self.url(name)}/health/ready", None, 5) as reply:  # noqa: S310  our own address
            shown: dict[str, Any] = json.load(reply)
        return shown

    def wait_warm(self) -> None:
        """Wait until every service that asks model servers has warmed them. Raises TimeoutError naming who has not."""

        def cold() -> list[str]:
            shown = {name: self.health(name).get("details", {}).get("inference") for name in SERVICES}
            return [name for name, inference in shown.items() if inference is not None and not inference["is_warm"]]

        wait_until(lambda: not cold(), lambda: f"not warm: {', '.join(cold())}")

    def url(self, name: str) -> str:
        """Where a service answers over HTTP."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def seed(self, role: str) -> Path:
        """Where the key of a role lies, such as `intent` or `upstream-test`; only where the broker asks for one."""
        return self.directory / "broker" / f"{role}.seed"

    def log_path(self, name: str) -> Path:
        """The log of all launches of `name`."""
        return self._servers[name].log_path if name in self._servers else self.directory / f"{name}.log"

    def log_lines(self) -> list[tuple[str, str]]:
        """Every line that the services wrote: (service, line)."""
        return [
            (name, line)
            for name in SERVICES
            if self.log_path(name).is_file()
            for line in self.log_path(name).read_text(errors="replace").splitlines()
        ]

    def import_inventory(self, text: str, form: str = "opswire") -> dict[str, Any]:
        """Import through the assets service and wait until every change is published. Raises HTTPError."""
        request = urllib.request.Request(  # noqa: S310  our own address
            f"{self.url('assets')}/assets/import?format={form}&wait_ms=10000",
            data=text.encode(),
            headers={"Authorization": f"Bearer {TOKEN}"},
            method="POST",
        )
        with urllib.request.urlopen(request, None, 30) as reply:  # noqa: S310  our own address
            report: dict[str, Any] = json.load(reply)
        return report

    def _environment(self, name: str) -> dict[str, str]:
        # The classifier is trained from what the package holds and checked against it, so all tests may share one.
        classifier = Path(tempfile.gettempdir()) / "opswire-tests" / "classifier"
        classifier.parent.mkdir(exist_ok=True)
        return (
            {key: value for key, value in os.environ.items() if not key.startswith(("OPSWIRE_", "LLM_"))}
            | {
                "OPSWIRE_NATS_URL": self.nats.url,
                "OPSWIRE_VALKEY_URL": self.valkey.url,
                "OPSWIRE_HTTP_PORT": str(self._ports[name]),
                "OPSWIRE_HTTP_TOKEN": TOKEN,
                "OPSWIRE_STATE_DIR": str(self.directory),
                "OPSWIRE_TRACE_STORE": str(self.directory / "traces.sqlite3"),
                "OPSWIRE_INVENTORY_URL": f"sqlite:///{self.directory / 'inventory.sqlite3'}",
                "OPSWIRE_CLASSIFIER_PATH": str(classifier),
                "PYTHONUNBUFFERED": "1",
            }
            | ({"OPSWIRE_NATS_SEED_FILE": str(self.seed(name))} if self.is_secured else {})
            | self._settings
        )
