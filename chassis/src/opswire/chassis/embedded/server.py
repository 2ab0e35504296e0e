"""What the embedded servers share: launch, wait until it really answers, stop, kill, restart on the same port."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from opswire.chassis.embedded.process import (
    KILL_TIMEOUT_S,
    TERM_TIMEOUT_S,
    EmbeddedServerError,
    end,
    log_tail,
    spawn,
)

READY_TIMEOUT_S = 15.0
READY_POLL_S = 0.01
START_ATTEMPTS_MAX = 5


class EmbeddedServer(ABC):
    """A server as a child process. `port=0` chooses a free port at the first start and keeps it for every later one."""

    name: str

    def __init__(self, store_dir: Path, port: int, log_path: Path | None) -> None:
        """Nothing is started or written yet."""
        # Absolute: the server may not share our working directory.
        self.store_dir = store_dir.absolute()
        self.port = port
        self.log_path = (log_path or self.store_dir / f"{self.name}.log").absolute()
        self._choose_port = port == 0
        self.launched_s = 0.0
        """Seconds since 1970 of the latest launch."""
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def choose_ports(self) -> None:
        """Settle on a free port where none was given."""

    @abstractmethod
    def arguments(self) -> list[str]:
        """Write what the server needs on disk and give its command line."""

    def environment(self) -> dict[str, str] | None:
        """The process's environment; None is ours."""
        return None

    @abstractmethod
    def answers(self) -> bool:
        """Whether this very process (not another one on the port) answers now. Does not wait."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running or ended process. Raises EmbeddedServerError before the first start."""
        if self._process is None:
            raise EmbeddedServerError(f"{self.name} was not started")
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the latest start."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process and return at once; `answers` or `wait_ready` tell when it can be used."""
        if self.running:
            return
        self.store_dir.mkdir(parents=True, exist_ok=True)
        if self.port == 0:
            self.choose_ports()
        self.launched_s = time.time()
        self._process = spawn(self.arguments(), self.log_path, self.environment())

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the server answers. Raises EmbeddedServerError when it ended or took longer; it is ended then."""
        give_up = time.monotonic() + timeout_s
        while not self.answers():
            if self.process.poll() is not None:
                raise EmbeddedServerError(self._complaint(f"ended with status {self.process.returncode}"))
            if time.monotonic() > give_up:
                self.kill()
                raise EmbeddedServerError(self._complaint(f"did not answer within {timeout_s:g} s"))
            time.sleep(READY_POLL_S)
        self._choose_port = False

    def start(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Start and wait until it answers. Where the port was ours to choose, a port lost to another is replaced."""
        attempts_left = START_ATTEMPTS_MAX if self._choose_port else 1
        give_up = time.monotonic() + timeout_s
        while True:
            self.launch()
            attempts_left -= 1
            try:
                self.wait_ready(give_up - time.monotonic())
                return self
            except EmbeddedServerError:
                if attempts_left == 0 or time.monotonic() > give_up:
                    raise
                self.port = 0

    def stop(self, timeout_s: float = TERM_TIMEOUT_S) -> None:
        """End it in order (SIGTERM), or by force after `timeout_s`. Safe to repeat."""
        if self._process is not None:
            end(self._process, timeout_s)

    def kill(self) -> None:
        """End it as a power cut of the process would (SIGKILL), and wait until it is gone. Safe to repeat."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(KILL_TIMEOUT_S)

    def restart(self) -> Self:
        """Stop it if it runs and start it again on the same port with the same store."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _complaint(self, what: str) -> str:
        return f"{self.name} on port {self.port} {what}; its log {self.log_path} ends with:\n{log_tail(self.log_path)}"
