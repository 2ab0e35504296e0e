"""The processes that `opswire up` keeps alive: two embedded servers and any number of Python programs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from opswire.chassis.embedded.process import spawn
from opswire.chassis.embedded.server import EmbeddedServer

POLL_S = 0.02
PROBE_TIMEOUT_S = 2.0


class Child(ABC):
    """One process: started, asked whether it answers, ended. Launch it from the main thread (see `spawn`)."""

    def __init__(self, name: str, log: Path, ports: Mapping[str, int], ready_url: str | None = None) -> None:
        self.name = name
        self.log = log
        self.ports = dict(ports)
        self.ready_url = ready_url

    @abstractmethod
    def launch(self) -> None:
        """Start the process and return at once."""

    @property
    @abstractmethod
    def process(self) -> subprocess.Popen[bytes]:
        """The process of the latest launch."""

    @abstractmethod
    async def answers(self) -> bool:
        """Whether it can be used now."""

    async def is_live(self) -> bool:
        """Whether it still does anything, ready or not: a process that is stopped or stuck does not."""
        return await self.answers()

    @property
    def pid(self) -> int:
        """The process id of the latest launch."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal while it runs; SIGKILL goes to the whole group, so that nothing it started stays."""
        if not self.running:
            return
        if number is signal.SIGKILL:
            os.killpg(self.pid, number)
        else:
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and give the exit status; negative is the signal that ended it."""
        # A loop, not a watcher thread or signal handler: it works the same everywhere and costs 50 calls a second.
        while (status := self.process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        return status


class ServerChild(Child):
    """An embedded server as a child."""

    def __init__(self, server: EmbeddedServer, ports: Mapping[str, int], ready_url: str | None = None) -> None:
        super().__init__(server.name, server.log_path, ports, ready_url)
        self.server = server

    def launch(self) -> None:
        """Start the server on its port."""
        self.server.launch()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process."""
        return self.server.process

    async def answers(self) -> bool:
        """Whether the server itself, not another one on its port, answers."""
        return self.server.answers()


class ProgramChild(Child):
    """A program that says over HTTP that it is ready; without `ready_url` it is ready while it runs."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        ports: Mapping[str, int] | None = None,
        ready_url: str | None = None,
    ) -> None:
        super().__init__(name, log, ports or {}, ready_url)
        self.arguments = list(arguments)
        self.environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the program, output appended to its log."""
        self._process = spawn(self.arguments, self.log, self.environment)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The program's process. Raises RuntimeError before the first launch."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not launched")
        return self._process

    async def answers(self) -> bool:
        """Whether it is alive and its `ready_url` answers 200."""
        if not self.running:
            return False
        return self.ready_url is None or await answers_at(self.ready_url)

    async def is_live(self) -> bool:
        """Whether its loop turns: a service whose broker is away is live and not ready."""
        return self.ready_url is None or await answers_at(self.ready_url.removesuffix("/ready") + "/live")


async def answers_at(url: str, timeout_s: float = PROBE_TIMEOUT_S) -> bool:
    """Whether a loopback address answers in time: 200 to a GET for `http:`, a pong to a ping for `redis:`."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    name, _, port = host.partition(":")
    if scheme == "redis":
        question, wanted = "PING\r\n", b"+PONG"
    else:
        question, wanted = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200"
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(name, int(port))
            try:
                writer.write(question.encode())
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):  # ValueError: a line without end, which none of ours sends
        return False
    return line.startswith(wanted)
