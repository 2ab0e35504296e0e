"""Which hosts the lab has, what runs on them, and where their files lie.

Everything else in this package is derived from `HOSTS`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

SSH_USER = "opswire"
LOOPBACK = "127.0.0.1"
SSH = "ssh"
"""The name of the SSH server's port among a host's ports."""
READY = b"ready\n"
"""What a host process says to its starter once SSH accepts and every service runs."""

# A unix socket's path holds 107 bytes on Linux and 103 on macOS, and supervisord first binds `<path>.<pid>`.
SOCKET_PATH_BYTES_MAX = 90


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One program under a host's supervisor. `module` is run by Python; None means Valkey's own binary."""

    name: str
    type: str
    protocol: str
    module: str | None
    health_path: str = ""
    upstreams: tuple[tuple[str, str, str], ...] = ()
    """What it depends on: (name in its configuration, host, service)."""
    data_path: str = ""
    """Its database file, as seen on the host."""
    releases: tuple[str, ...] = ()
    """The releases of it that lie on the host, the one in use last."""

    @property
    def log_path(self) -> str:
        """The service's log, as seen on the host."""
        return f"/var/log/{self.name}.log"


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A group of like processes under a host's supervisor: `replicas` of them run when the host starts."""

    name: str
    module: str
    places: int
    replicas: int

    @property
    def log_path(self) -> str:
        """The log of all its processes, as seen on the host."""
        return f"/var/log/{self.name}.log"

    @property
    def programs(self) -> tuple[str, ...]:
        """The names of its processes within the group."""
        return tuple(f"{self.name}-{number:02}" for number in range(1, self.places + 1))


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host: its place in the inventory and its services."""

    name: str
    environment: str
    criticality: str
    owner: str
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    services: tuple[ServiceSpec, ...]
    workers: tuple[GroupSpec, ...] = ()


def _web_services(host: str, orders: tuple[tuple[str, str, str], ...]) -> tuple[ServiceSpec, ...]:
    storefront_needs = (("checkout", host, "checkout"),)
    return (
        ServiceSpec(
            "storefront",
            "service",
            "http",
            "opswire.lab.services.storefront",
            "/health",
            storefront_needs,
            releases=("1.3.0", "1.4.0", "1.5.0"),
        ),
        ServiceSpec("checkout", "service", "http", "opswire.lab.services.checkout", "/health", orders),
    )


HOSTS: tuple[HostSpec, ...] = (
    HostSpec(
        name="web-01",
        environment="production",
        criticality="high",
        owner="team-shop",
        groups=("web", "shop"),
        tags=("lab", "customer-facing"),
        services=_web_services(
            "web-01", (("orders_cache", "db-01", "orders-cache"), ("orders_db", "db-01", "orders-db"))
        ),
        workers=(GroupSpec("mailer", "opswire.lab.services.mailer", places=6, replicas=2),),
    ),
    HostSpec(
        name="web-02",
        environment="staging",
        criticality="low",
        owner="team-shop",
        groups=("web", "shop"),
        tags=("lab",),
        # Staging has no database of its own: checkout keeps its orders in a file on the host.
        services=_web_services("web-02", ()),
    ),
    HostSpec(
        name="db-01",
        environment="production",
        criticality="critical",
        owner="team-data",
        groups=("databases", "shop"),
        tags=("lab", "stateful"),
        services=(
            ServiceSpec("orders-cache", "database", "valkey", None),
            ServiceSpec(
                "orders-db",
                "database",
                "tcp",
                "opswire.lab.services.orders_db",
                data_path="/var/lib/orders-db/orders.sqlite3",
            ),
        ),
    ),
)


def host_spec(name: str) -> HostSpec:
    """The host of that name; KeyError when the lab has none."""
    return {host.name: host for host in HOSTS}[name]


def port_names(host: HostSpec) -> tuple[str, ...]:
    """The names of all ports that a host listens on."""
    return (SSH, *(service.name for service in host.services))


@dataclass(frozen=True, slots=True)
class HostPaths:
    """Where one host's files lie. `home` is `<state>/lab/<host>`, absolute."""

    home: Path

    @property
    def root(self) -> Path:
        """What the host itself sees as `/`."""
        return self.home / "root"

    @property
    def binaries(self) -> Path:
        """Programs that exist on this host only, first in its PATH."""
        return self.root / "usr" / "local" / "bin"

    @property
    def host_key(self) -> Path:
        """The SSH server's private key."""
        return self.home / "ssh_host_ed25519_key"

    @property
    def pid_file(self) -> Path:
        """The host process's pid; left behind by a crash, removed by an orderly end."""
        return self.home / "host.pid"

    @property
    def lock(self) -> Path:
        """Held by the host process for as long as it lives."""
        return self.home / "host.lock"

    @property
    def process_log(self) -> Path:
        """What the host process itself says: for finding out why a host did not come up."""
        return self.home / "host.log"

    @property
    def supervisor_conf(self) -> Path:
        """The configuration that supervisord and supervisorctl read."""
        return self.home / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """The unix socket of this host's supervisord, in a short directory where the state's own path is too long."""
        here = self.home / "supervisor.sock"
        if len(os.fsencode(here)) <= SOCKET_PATH_BYTES_MAX:
            return here
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"opswire-{os.getuid()}-{digest}" / "supervisor.sock"
