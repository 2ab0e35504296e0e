"""Asks a host's supervisord for the state of its programs, over its unix socket."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One supervised program: its state in supervisor's words (RUNNING, STARTING, STOPPED, FATAL, ...)."""

    name: str
    state: str
    pid: int | None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: xmlrpc.client._HostType) -> http.client.HTTPConnection:  # noqa: ARG002
        return _UnixConnection(self._path)


def program_states(path: Path) -> list[ProgramState] | None:
    """The programs of the supervisord behind this socket; None when it does not answer within two seconds."""
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(path))
    try:
        with proxy:
            answer = proxy.supervisor.getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return None
    if not isinstance(answer, list):
        return None
    return [_program_state(row) for row in answer if isinstance(row, dict)]


def _program_state(row: dict[str, object]) -> ProgramState:
    pid = row["pid"]
    return ProgramState(str(row["name"]), str(row["statename"]), pid if isinstance(pid, int) and pid > 0 else None)
