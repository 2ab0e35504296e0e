"""The ports of the lab: chosen once, kept in `lab.json`, chosen again when somebody else has taken them."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping, Set
from pathlib import Path

from opswire.lab.errors import LabError
from opswire.lab.layout import HOSTS, LOOPBACK, port_names

Ports = dict[str, dict[str, int]]
"""Host name to port name (`ssh` or a service's name) to port."""

# Below the range from which systems take ports of outgoing connections, so that a kept port is still free tomorrow.
PORT_FIRST = 20_000
PORT_LAST = 32_000


def load_ports(path: Path) -> Ports:
    """The kept ports; empty when there are none or the file cannot be read as ours."""
    try:
        document = json.loads(path.read_text())
        return {host: {name: int(port) for name, port in document["hosts"][host].items()} for host in document["hosts"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_ports(path: Path, ports: Ports) -> None:
    """Keep the ports for the next start."""
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps({"hosts": ports}, indent=2) + "\n")
    scratch.replace(path)


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As the servers do it: a port in TIME_WAIT counts as free, one with a listener does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def settle_ports(kept: Ports, given: Mapping[str, Mapping[str, int]], running: Set[str]) -> Ports:
    """A port for every server of the lab: the given one, else the kept one where it is free, else a new one.

    The hosts in `running` keep what they listen on. LabError for a given port that is taken or names no server.
    """
    known = {host.name: set(port_names(host)) for host in HOSTS}
    for host, names in given.items():
        for name in names:
            if name not in known.get(host, set()):
                raise LabError(f"The lab has no port {name!r} on a host {host!r}.")
    taken = {port for host in running for port in kept.get(host, {}).values()}
    taken |= {port for names in given.values() for port in names.values()}
    settled: Ports = {}
    for spec in HOSTS:
        ours = kept.get(spec.name, {})
        if spec.name in running and set(ours) == set(port_names(spec)):
            settled[spec.name] = dict(ours)
            continue
        settled[spec.name] = {
            name: _settle_port(spec.name, name, given.get(spec.name, {}).get(name), ours.get(name), taken)
            for name in port_names(spec)
        }
    return settled


def _settle_port(host: str, name: str, given: int | None, kept: int | None, taken: set[int]) -> int:
    if given is not None:
        if not is_free(given):
            raise LabError(f"Port {given}, given for {name} on {host}, is taken by another process.")
        return given
    if kept is not None and kept not in taken and is_free(kept):
        taken.add(kept)
        return kept
    for port in random.sample(range(PORT_FIRST, PORT_LAST), 2_000):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise LabError(f"No free port between {PORT_FIRST} and {PORT_LAST} was found.")
