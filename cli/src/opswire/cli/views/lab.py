"""How the lab looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from opswire.lab import LabStatus
    from rich.console import Console


def print_lab(console: Console, status: LabStatus) -> None:
    """One line for each service, its host beside it."""
    table = Table(box=None, pad_edge=False)
    for title in ("host", "state", "ssh port", "service", "state", "pid", "port"):
        table.add_column(title, justify="right" if title in {"ssh port", "pid", "port"} else "left")
    for host in status.hosts:
        place = (host.name, host.state, str(host.ssh_port or "-"))
        for service in host.services:
            table.add_row(*place, service.name, service.state, str(service.pid or "-"), str(service.port or "-"))
            place = ("", "", "")
    console.print(table)
