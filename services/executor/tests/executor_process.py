"""A real executor, as its own process on the test's broker, that can be ended, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import end, log_tail, spawn
from opswire.chassis.testing.waiting import until_told


class ExecutorProcess:
    """`settings` are environment variables. Its policy and people are those of the files that are given."""

    def __init__(self, directory: Path, nats_url: str, policy: Path, people: Path, **settings: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.log_path = directory / "executor.log"
        self.port = free_port(frozenset())
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPSWIRE_", "LLM_"))}
        self.environment = (
            clean
            | {
                "OPSWIRE_NATS_URL": nats_url,
                "OPSWIRE_HTTP_PORT": str(self.port),
                "OPSWIRE_STATE_DIR": str(directory),
                "OPSWIRE_POLICY_FILE": str(policy),
                "OPSWIRE_PEOPLE_FILE": str(people),
                "PYTHONUNBUFFERED": "1",
            }
            | settings
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, again perhaps, and wait until it is ready. Raises RuntimeError with its log's end if it ended."""
        self._process = spawn([sys.executable, "-m", "opswire.executor"], self.log_path, self.environment)
        await until_told(self._is_ready, timeout_s=60)

    async def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the executor ended:\n{log_tail(self.log_path, 20)}")
        return await asyncio.to_thread(self._answers)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", None, 2) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def tell_to_end(self) -> None:
        """SIGTERM, as every supervisor sends it first."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, 60)

    def stop(self) -> None:
        """Whatever state it is in: it is gone then."""
        if self._process is not None:
            end(self._process)
