"""What `opswire up` starts: addresses, settings and command lines of the servers and services."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from opswire.chassis.broker_keys import ACCOUNTS_FILE, write_keys
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port, is_free
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmServer, find_installation
from opswire.cli.children import ProgramChild, ServerChild, answers_at
from opswire.cli.errors import CommandError
from opswire.cli.state import StateDir

SERVICES = ("intent", "assets", "executor", "cache")
LEDGER = "ledger"
MODEL = "vllm"
VLLM_CPU = "vllm-cpu"
STOP_ORDER: tuple[tuple[str, ...], ...] = (SERVICES, (LEDGER, "valkey", MODEL), ("nats",))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for. None means: as last time where that is free, else any free port."""

    nats_port: int | None = None
    valkey_port: int | None = None
    http_port: int | None = None
    lab: bool = False
    secured: bool = False
    """Whether the broker asks everybody for a key."""
    model: str | None = None
    """`vllm-cpu`, or None for no model server of ours: the services ask the one that LLM_* names, or none."""

    def check(self) -> None:
        """Refuse at once what cannot be started. Raises CommandError with what to do."""
        if self.model not in (None, VLLM_CPU):
            raise CommandError(f"no model server {self.model!r} can be started here", f"--model {VLLM_CPU}")
        if self.model == VLLM_CPU:
            model_server(Path(), 0, Path())

    def missing_from(self, urls: dict[str, str], lab: bool, secured: bool) -> list[str]:
        """The options of `up` that what runs, at these addresses, does not grant."""
        ports = {"--nats-port": ("nats", self.nats_port), "--valkey-port": ("valkey", self.valkey_port)}
        ports["--http-port"] = (SERVICES[0], self.http_port)
        found = [
            option
            for option, (name, port) in ports.items()
            if port is not None and urlsplit(urls.get(name, "")).port != port
        ]
        found += ["--lab"] * (self.lab and not lab) + ["--secured"] * (self.secured and not secured)
        return found + ["--model"] * (self.model is not None and MODEL not in urls)


def choose_ports(wishes: Wishes, last: dict[str, int]) -> dict[str, int]:
    """A port for every listener. Raises CommandError when one that was asked for is taken."""
    asked: dict[str, int | None] = {"nats": wishes.nats_port, "nats_monitor": None, "valkey": wishes.valkey_port}
    for place, service in enumerate((*SERVICES, LEDGER)):
        asked[service] = None if wishes.http_port is None else wishes.http_port + place
    if wishes.model is not None:
        asked[MODEL] = None
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
    if MODEL in urls:
        urls[MODEL] += "/v1"
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
    # Where `opswire inference use` writes, so that it also reaches services that were started without a model.
    inherited.setdefault("OPSWIRE_INFERENCE_FILE", str(state.path / "inference.yaml"))
    if MODEL in urls:
        inherited |= model_settings(urls)
    return inherited | {
        "OPSWIRE_NATS_URL": urls["nats"],
        "OPSWIRE_NATS_MONITOR_URL": urls["nats_monitor"],
        "OPSWIRE_VALKEY_URL": urls["valkey"],
        "OPSWIRE_HTTP_TOKEN": token,
        "OPSWIRE_STATE_DIR": str(state.path),
        "OPSWIRE_TRACE_STORE": str(state.trace_store),
        "OPSWIRE_CLASSIFIER_PATH": str(state.classifier),
        "OPSWIRE_ASSETS_URL": urls["assets"],
        "PYTHONUNBUFFERED": "1",
    }


def model_settings(urls: dict[str, str]) -> dict[str, str]:
    """What makes a program ask the model server among these addresses."""
    return {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": urls[MODEL], "LLM_MODEL": SERVED_NAME}


def nats_child(state: StateDir, ports: dict[str, int], accounts: str = "") -> ServerChild:
    """The broker, every acknowledged publish on disk; with `accounts` it asks for keys."""
    log, monitor = state.logs / "nats.log", ports["nats_monitor"]
    server = NatsServer(state.path / "nats", ports["nats"], monitor, True, log, accounts)
    healthy = f"http://127.0.0.1:{ports['nats_monitor']}/healthz"
    return ServerChild(server, {"nats": ports["nats"], "monitor": ports["nats_monitor"]}, healthy)


def valkey_child(state: StateDir, ports: dict[str, int]) -> ServerChild:
    """The shared level of the caches."""
    server = ValkeyServer(state.path / "valkey", ports["valkey"], log_path=state.logs / "valkey.log")
    return ServerChild(server, {"valkey": ports["valkey"]}, server.url)


class ModelChild(ServerChild):
    """A model server as a child. It is asked without blocking the supervisor: under load it answers late."""

    async def answers(self) -> bool:
        """Whether it runs and says that it is healthy."""
        return self.running and self.ready_url is not None and await answers_at(self.ready_url)


def model_server(store_dir: Path, port: int, log: Path) -> VllmServer:
    """The real vLLM on this machine's CPU. Raises CommandError with the command that installs it."""
    try:
        server = VllmServer(store_dir, find_installation(), port, log_path=log)
        server.arguments()
    except EmbeddedServerError as error:
        what, _, command = str(error).partition("; run: ")
        raise CommandError(what, command or "see deploy/vllm-cpu/README.md") from error
    return server


def model_child(state: StateDir, ports: dict[str, int]) -> ModelChild:
    """The model server, as a child."""
    server = model_server(state.path / MODEL, ports[MODEL], state.logs / "vllm.log")
    return ModelChild(server, {MODEL: ports[MODEL]}, f"{server.root_url}/health")


def broker_accounts(state: StateDir) -> str:
    """The broker's accounts, with the keys that are missing made. Raises CommandError where they cannot be."""
    try:
        write_keys(state.broker_keys)
        return (state.broker_keys / ACCOUNTS_FILE).read_text()
    except (ValueError, OSError) as error:
        raise CommandError(f"the broker's keys cannot be made: {error}", f"mend or move {state.broker_keys}") from error


def service_child(
    name: str, state: StateDir, ports: dict[str, int], environment: dict[str, str], secured: bool = False
) -> ProgramChild:
    """One of the four services as a process of its own, with its own key where the broker asks for one."""
    if secured:
        environment = environment | {"OPSWIRE_NATS_SEED_FILE": str(state.seed(name))}
    return ProgramChild(
        name,
        [sys.executable, "-m", f"opswire.{name}"],
        state.log(name),
        environment | {"OPSWIRE_HTTP_PORT": str(ports[name])},
        {"http": ports[name]},
        f"http://127.0.0.1:{ports[name]}/health/ready",
    )


def ledger_child(state: StateDir, ports: dict[str, int], environment: dict[str, str]) -> ProgramChild:
    """What books requests and serves the latency page."""
    return ProgramChild(
        LEDGER,
        [sys.executable, "-m", "opswire.cli.ledger_process"],
        state.log(LEDGER),
        environment | {"OPSWIRE_HTTP_PORT": str(ports[LEDGER])},
        {"http": ports[LEDGER]},
        f"http://127.0.0.1:{ports[LEDGER]}/health/ready",
    )


def training_arguments(out: Path) -> list[str]:
    """The command line that trains the local classifier from the labelled set."""
    return [sys.executable, "-m", "opswire.intent.classifier.train", "--out", str(out)]
