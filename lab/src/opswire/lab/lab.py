"""Starts, ends and looks at the three hosts."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from opswire.lab.errors import LabError
from opswire.lab.files import remove_socket, write_host_files
from opswire.lab.inventory import lab_assets, write_inventory
from opswire.lab.keys import ensure_key
from opswire.lab.layout import HOSTS, LOOPBACK, READY, SSH, HostPaths, HostSpec
from opswire.lab.ports import Ports, load_ports, save_ports, settle_ports
from opswire.lab.processes import end_all, exclusive, is_locked, read_pid, session_members
from opswire.lab.supervision import ProgramState, program_states
from opswire.lab.surroundings import surrounding_assets

UP_TIMEOUT_S = 30.0
# A host gives its supervisor eight seconds, and then what is left one.
DOWN_GRACE_S = 12.0
# What a host process may know of its starter's environment: no token or key of Opswire reaches the hosts.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service: supervisor's word for its state, or `UNKNOWN` where no supervisor answers."""

    name: str
    state: str
    pid: int | None
    port: int


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host. `state` is `up`, `degraded` (its supervisor does not answer), `crashed` or `down`."""

    name: str
    state: str
    pid: int | None
    address: str
    ssh_port: int
    services: tuple[ServiceStatus, ...]


@dataclass(frozen=True, slots=True)
class LabStatus:
    """All hosts."""

    hosts: tuple[HostStatus, ...]

    @property
    def is_up(self) -> bool:
        """Whether every host is up."""
        return all(host.state == "up" for host in self.hosts)


@dataclass(frozen=True, slots=True)
class UpReport:
    """What `Lab.up` did, by host name."""

    started: tuple[str, ...]
    already_up: tuple[str, ...]
    took_s: float


class Lab:
    """The lab of one state directory. Making the object starts nothing and writes nothing."""

    def __init__(self, state_dir: Path, ports: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """`ports` gives some or all ports: host name to `ssh` or a service's name to port."""
        self.folder = state_dir.resolve() / "lab"
        self.inventory_path = self.folder / "inventory.yaml"
        self.client_key_path = self.folder / "id_ed25519"
        self._ports_path = self.folder / "lab.json"
        self._given = ports or {}

    def up(self) -> UpReport:
        """Start the hosts that are not up and wait until SSH accepts and every service runs.

        Hosts that are up stay as they are. LabError, and nothing newly started left, when a host does not come up.
        """
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder / "lab.lock"):
            healthy = {host.name for host in HOSTS if self._host_status(host).state == "up"}
            self._end_all([host for host in HOSTS if host.name not in healthy])
            started = self._start_missing(healthy)
        already = tuple(host.name for host in HOSTS if host.name not in started)
        return UpReport(started, already, time.monotonic() - began)

    def down(self) -> tuple[str, ...]:
        """End the hosts and everything that runs on them; returns the names of those that were there."""
        if not self.folder.is_dir():
            return ()
        with exclusive(self.folder / "lab.lock"):
            return self._end_all(HOSTS)

    def status(self) -> LabStatus:
        """What runs now. Writes nothing."""
        return LabStatus(tuple(self._host_status(host) for host in HOSTS))

    def paths(self, host: str) -> HostPaths:
        """Where a host's files lie."""
        return HostPaths(self.folder / host)

    def ports(self) -> Ports:
        """The ports chosen, by host and by `ssh` or service name; empty before the first start."""
        return load_ports(self._ports_path)

    def _start_missing(self, running: set[str]) -> tuple[str, ...]:
        kept = self.ports()
        ports = settle_ports(kept, self._given, running)
        changed = ports != kept
        if changed:
            # A host's services know the ports of other hosts: all of them begin anew with the new ones.
            self._end_all([host for host in HOSTS if host.name in running])
            running = set()
            save_ports(self._ports_path, ports)
        ensure_key(self.client_key_path, "opswire-lab")
        missing = [host for host in HOSTS if host.name not in running]
        for host in missing:
            self.paths(host.name).home.mkdir(exist_ok=True)
            write_host_files(host, self.paths(host.name), ports, renew=changed)
        host_keys = {host.name: ensure_key(self.paths(host.name).host_key, host.name) for host in HOSTS}
        write_inventory(self.inventory_path, [*lab_assets(ports, host_keys), *surrounding_assets()])
        self._start(missing, ports)
        return tuple(host.name for host in missing)

    def _start(self, hosts: list[HostSpec], ports: Ports) -> None:
        waiting = {self._spawn(host, ports[host.name][SSH]): host for host in hosts}
        deadline = time.monotonic() + UP_TIMEOUT_S
        try:
            while waiting:
                ready, _, _ = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise LabError(f"{', '.join(host.name for host in waiting.values())} not up in {UP_TIMEOUT_S:g} s.")
                for descriptor in ready:
                    host = waiting.pop(descriptor)
                    said = os.read(descriptor, 256)
                    os.close(descriptor)
                    if said != READY:  # nothing at all where the process or its supervisor has ended
                        raise LabError(f"{host.name} did not come up: {said.decode() or self._last_words(host)}")
        except (LabError, KeyboardInterrupt):
            self._end_all(hosts)
            raise
        finally:
            for descriptor in waiting:
                os.close(descriptor)

    def _spawn(self, host: HostSpec, ssh_port: int) -> int:
        """Start one host process; returns the descriptor on which it says that it is ready."""
        paths = self.paths(host.name)
        reading, writing = os.pipe()
        arguments = ["--name", host.name, "--home", str(paths.home), "--ssh-port", str(ssh_port)]
        arguments += ["--authorized-key", f"{self.client_key_path}.pub", "--ready-fd", str(writing)]
        with paths.process_log.open("wb") as log:
            subprocess.Popen(
                [sys.executable, "-P", "-m", "opswire.lab.host", *arguments],
                cwd=paths.home,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(writing,),
            )
        os.close(writing)
        return reading

    def _last_words(self, host: HostSpec) -> str:
        lines = self.paths(host.name).process_log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def _end_all(self, hosts: Iterable[HostSpec]) -> tuple[str, ...]:
        """End hosts, all at the same time, and whatever is left of them; returns the names of those that were there."""
        pids = {host: pid for host in hosts if (pid := read_pid(self.paths(host.name).pid_file)) is not None}
        end_all([pid for host, pid in pids.items() if is_locked(self.paths(host.name).lock)], DOWN_GRACE_S)
        for host, pid in pids.items():
            paths = self.paths(host.name)
            end_all(session_members(pid, paths.home), 1.0)  # after a crash
            remove_socket(paths)
            paths.pid_file.unlink(missing_ok=True)
        return tuple(host.name for host in pids)

    def _host_status(self, host: HostSpec) -> HostStatus:
        paths = self.paths(host.name)
        pid = read_pid(paths.pid_file)
        alive = is_locked(paths.lock)
        programs = program_states(paths.supervisor_socket) if alive else None
        state = "down" if pid is None else "crashed"
        if alive:
            state = "degraded" if programs is None else "up"
        ports = self.ports().get(host.name, {})
        return HostStatus(
            name=host.name,
            state=state,
            pid=pid if alive else None,
            address=LOOPBACK,
            ssh_port=ports.get(SSH, 0),
            services=_services(host, ports, programs or [], alive),
        )


def _services(
    host: HostSpec, ports: dict[str, int], programs: list[ProgramState], alive: bool
) -> tuple[ServiceStatus, ...]:
    by_name = {program.name: program for program in programs}
    missing = ProgramState("", "UNKNOWN" if alive else "STOPPED", None)
    found = [(service.name, by_name.get(service.name, missing)) for service in host.services]
    return tuple(ServiceStatus(name, program.state, program.pid, ports.get(name, 0)) for name, program in found)


def start(state_dir: Path, ports: Mapping[str, Mapping[str, int]] | None = None) -> Lab:
    """Make the lab of a state directory and bring it up. LabError when it does not come up."""
    lab = Lab(state_dir, ports)
    lab.up()
    return lab
