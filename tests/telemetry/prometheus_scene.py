"""A real Prometheus on the deployed configuration, its targets moved to this machine, and what else it scrapes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import yaml
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.server import EmbeddedServer

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy" / "prometheus"
RECORDED = ROOT / "tests" / "data" / "vllm-metrics"
INSTALL = "apt-get install --no-install-recommends prometheus"
PROBE_TIMEOUT_S = 5.0


def tool(name: str) -> str:
    """`prometheus` or `promtool`; a machine without it skips the test and says what would install it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; run: {INSTALL}")
    return found


class PrometheusServer(EmbeddedServer):
    """Scrapes and evaluates every second. `targets` is the deployed address to the one that it has here."""

    name = "prometheus"

    def __init__(self, store_dir: Path, targets: dict[str, str]) -> None:
        """Nothing is started or written yet."""
        super().__init__(store_dir, 0, None)
        self._targets = targets

    def choose_ports(self) -> None:
        """Any free one."""
        self.port = free_port()

    def arguments(self) -> list[str]:
        """The deployed configuration with this test's addresses and haste."""
        document = yaml.safe_load((DEPLOYED / "prometheus.yaml").read_text(encoding="utf-8"))
        document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        document["rule_files"] = [str(DEPLOYED / name) for name in document["rule_files"]]
        for job in document["scrape_configs"]:
            for group in job["static_configs"]:
                group["targets"] = [self._targets[each] for each in group["targets"] if each in self._targets]
        path = self.store_dir / "prometheus.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return [
            tool("prometheus"),
            f"--config.file={path}",
            f"--storage.tsdb.path={self.store_dir / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]

    def answers(self) -> bool:
        """Whether it is ready for queries."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=PROBE_TIMEOUT_S) as reply:
                return self.running and reply.status == 200
        except OSError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer. Raises AssertionError with Prometheus' own words where it refuses."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def values(self, query: str) -> list[float]:
        """The numbers that a query answers, without those that are none (0 / 0)."""
        found = [float(sample["value"][1]) for sample in self.ask("query", query=query)["result"]]
        return [number for number in found if number == number]

    def scrapes(self) -> dict[str, float]:
        """How many times each target was scraped well so far."""
        result = self.ask("query", query="count_over_time((up == 1)[1h:1s])")["result"]
        return {sample["metric"]["instance"]: float(sample["value"][1]) for sample in result}


class RecordedVllm:
    """What the real vLLM said before and after a load, as if it were asked now."""

    def __init__(self) -> None:
        """Says what it said before, until `go_on`."""
        self.text = (RECORDED / "before.txt").read_bytes()
        recorded = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.end_headers()
                self.wfile.write(recorded.text)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: it is asked every second."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self._server.server_port}"

    def go_on(self) -> None:
        """The load has been."""
        self.text = (RECORDED / "after.txt").read_bytes()

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()


class LedgerServer(EmbeddedServer):
    """The ledger's process on the span store of a system."""

    name = "ledger"

    def __init__(self, store_dir: Path, spans: Path) -> None:
        """Nothing is started yet."""
        super().__init__(store_dir, 0, None)
        self._spans = spans

    def choose_ports(self) -> None:
        """Any free one."""
        self.port = free_port()

    def arguments(self) -> list[str]:
        """As `opswire up` starts it."""
        return [sys.executable, "-m", "opswire.cli.ledger_process"]

    def environment(self) -> dict[str, str]:
        """The same, but it counts sooner."""
        return os.environ | {
            "OPSWIRE_STATE_DIR": str(self.store_dir),
            "OPSWIRE_TRACE_STORE": str(self._spans),
            "OPSWIRE_HTTP_PORT": str(self.port),
            "OPSWIRE_HTTP_TOKEN": "token-of-a-test",
            "OPSWIRE_LEDGER_COUNTED_AFTER_S": "4",
        }

    def answers(self) -> bool:
        """Whether it tells its counters."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=PROBE_TIMEOUT_S) as reply:
                return self.running and b"opswire_ledger_stage_seconds_total" in reply.read()
        except OSError:
            return False
