"""What `opswire up` starts: addresses, settings and command lines of the servers and services."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port, is_free
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.cli.children import ProgramChild, ServerChild
from opswire.cli.errors import CommandError
from opswire.cli.state import StateDir

SERVICES = ("intent", "assets", "executor", "cache")
STOP_ORDER: tuple[tuple[str, ...], ...] = (SERVICES, ("valkey",), ("nats",))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for. None means: as last time where that is free, else any free port."""

    nats_port: int | None = None
    valkey_port: int | None = None
    http_port: int | None = None
    lab: bool = False


def choose_ports(wishes: Wishes, last: dict[str, int]) -> dict[str, int]:
    """A port for every listener. Raises CommandError when one that was asked for is taken."""
    asked: dict[str, int | None] = {"nats": wishes.nats_port, "nats_monitor": None, "valkey": wishes.valkey_port}
    for place, service in enumerate(SERVICES):
        asked[service] = None if wishes.http_port is None else wishes.http_port + place
    chosen: dict[str, int] = {}
    for name, port in asked.items():
        if port is not None and not is_free(port):
            raise CommandError(f"port {port} for {name} is taken", "another port, or leave the option out")
        before = last.get(name)
        if port is None and before is not None and before not in chosen.values() and is_free(before):
            port = before
        chosen[name] = port or free_port(frozenset(chosen.values()))
    return chosen


def urls_of(ports: dict[str, int]) -> dict[str, str]:
    """Where each listener is reached."""
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    return urls | {
        "nats": f"nats://127.0.0.1:{ports['nats']}",
        "valkey": f"redis://127.0.0.1:{ports['valkey']}/0",
    }


def loopback_wanted(state: StateDir, wishes: Wishes) -> bool:
    """Whether the executor may contact this machine: only where the lab, whose hosts are on loopback, is or was."""
    return wishes.lab or (state.path / "lab" / "lab.json").exists()


def environment_of(state: StateDir, urls: dict[str, str], token: str, loopback: bool) -> dict[str, str]:
    """The settings that all services share. What the caller has set for inventory, loopback and log level stays."""
    inherited = dict(os.environ)
    inherited.setdefault("OPSWIRE_ALLOW_LOOPBACK", "true" if loopback else "false")
    inherited.setdefault("OPSWIRE_INVENTORY_URL", f"sqlite:///{state.path / 'inventory.sqlite3'}")
    return inherited | {
        "OPSWIRE_NATS_URL": urls["nats"],
        "OPSWIRE_NATS_MONITOR_URL": urls["nats_monitor"],
        "OPSWIRE_VALKEY_URL": urls["valkey"],
        "OPSWIRE_HTTP_TOKEN": token,
        "OPSWIRE_STATE_DIR": str(state.path),
        "OPSWIRE_TRACE_STORE": str(state.trace_store),
        "OPSWIRE_CLASSIFIER_PATH": str(state.classifier),
        "PYTHONUNBUFFERED": "1",
    }


def nats_child(state: StateDir, ports: dict[str, int]) -> ServerChild:
    """The broker, every acknowledged publish on disk."""
    server = NatsServer(
        state.path / "nats", ports["nats"], ports["nats_monitor"], sync_always=True, log_path=state.logs / "nats.log"
    )
    healthy = f"http://127.0.0.1:{ports['nats_monitor']}/healthz"
    return ServerChild(server, {"nats": ports["nats"], "monitor": ports["nats_monitor"]}, healthy)


def valkey_child(state: StateDir, ports: dict[str, int]) -> ServerChild:
    """The shared level of the caches."""
    server = ValkeyServer(state.path / "valkey", ports["valkey"], log_path=state.logs / "valkey.log")
    return ServerChild(server, {"valkey": ports["valkey"]}, server.url)


def service_child(name: str, state: StateDir, ports: dict[str, int], environment: dict[str, str]) -> ProgramChild:
    """One of the four services as a process of its own."""
    return ProgramChild(
        name,
        [sys.executable, "-m", f"opswire.{name}"],
        state.log(name),
        environment | {"OPSWIRE_HTTP_PORT": str(ports[name])},
        {"http": ports[name]},
        f"http://127.0.0.1:{ports[name]}/health/ready",
    )


def training_arguments(out: Path) -> list[str]:
    """The command line that trains the local classifier from the labelled set."""
    return [sys.executable, "-m", "opswire.intent.classifier.train", "--out", str(out)]
