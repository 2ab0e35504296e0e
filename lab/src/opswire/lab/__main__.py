"""`python -m opswire.lab up|down|status [--state-dir DIRECTORY] [--json]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from opswire.lab import Lab, LabError, LabStatus


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it was done, 1 when the lab could not, 3 when `status` finds a host that is not up."""
    parser = argparse.ArgumentParser(prog="python -m opswire.lab", description="Three real hosts on loopback.")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--state-dir", type=Path, default=Path(os.environ.get("OPSWIRE_STATE_DIR", ".opswire")))
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    commands: dict[str, Callable[[Lab], tuple[int, object, str]]] = {"up": _up, "down": _down, "status": _status}
    try:
        code, document, text = commands[options.command](Lab(options.state_dir))
    except LabError as error:
        code, document, text = 1, {"error": str(error)}, f"error: {error}"
    print(json.dumps(document, indent=2) if options.json else text)  # noqa: T201
    return code


def _up(lab: Lab) -> tuple[int, object, str]:
    report = lab.up()
    status = lab.status()
    first = (
        f"{', '.join(report.started)} started in {report.took_s:.1f} s." if report.started else "The lab is already up."
    )
    text = f"{first}\n{_table(status)}\nInventory: {lab.inventory_path}"
    return 0, {**asdict(report), **asdict(status), "inventory": str(lab.inventory_path)}, text


def _down(lab: Lab) -> tuple[int, object, str]:
    ended = lab.down()
    return 0, {"ended": ended}, f"{', '.join(ended)} ended." if ended else "The lab was not up."


def _status(lab: Lab) -> tuple[int, object, str]:
    status = lab.status()
    return 0 if status.is_up else 3, asdict(status), _table(status)


def _table(status: LabStatus) -> str:
    lines = [f"{'HOST':8} {'STATE':9} {'SSH PORT':>8}  {'SERVICE':13} {'STATE':9} {'PID':>8} {'PORT':>6}"]
    for host in status.hosts:
        place = f"{host.name:8} {host.state:9} {host.ssh_port or '-':>8}"
        for service in host.services:
            numbers = f"{service.pid or '-':>8} {service.port or '-':>6}"
            lines.append(f"{place}  {service.name:13} {service.state:9} {numbers}")
            place = " " * len(place)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
