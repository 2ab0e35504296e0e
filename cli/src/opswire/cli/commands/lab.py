"""`lab`: three real hosts on loopback to ask about."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.errors import CommandError
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

if TYPE_CHECKING:
    from pathlib import Path

    from opswire.lab import Lab

app = typer.Typer(no_args_is_help=True, help="Three real hosts on loopback: SSH, supervisor, small services.")
NOT_UP = 3


def _lab(state_dir: Path) -> Lab:
    from opswire.lab import Lab

    return Lab(state_dir)


@app.command("up")
def lab_up(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Start the hosts that are not up. Then: opswire assets import INVENTORY."""
    with reporting(as_json):
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.lab import print_lab
        from opswire.lab import LabError

        Directory(state_dir).prepare()
        lab = _lab(state_dir)
        try:
            report = lab.up()
        except LabError as error:
            raise CommandError(f"the lab did not come up: {error}", "opswire lab down, then again") from error
        status = lab.status()
        if as_json:
            write_json({**asdict(report), **asdict(status), "inventory": str(lab.inventory_path)})
        else:
            print_lab(terminal(), status)
            terminal().print(f"Then: opswire assets import {lab.inventory_path}", markup=False)
        _warn_if_unreachable(state_dir)


def _warn_if_unreachable(state_dir: Path) -> None:
    from opswire.cli.state import StateDir as Directory

    record = Directory(state_dir).read_run()
    if record is not None and record.alive and not record.loopback:
        sentence = "the executor contacts nothing on this machine; opswire down, then opswire up, to reach the lab"
        terminal(error=True).print(f"note: {sentence}", style="yellow", markup=False)


@app.command("down")
def lab_down(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """End the hosts and everything that runs on them."""
    with reporting(as_json):
        ended = _lab(state_dir).down()
        if as_json:
            write_json({"ended": list(ended)})
        else:
            terminal().print(f"Ended: {', '.join(ended)}." if ended else "The lab was not up.", markup=False)


@app.command("status")
def lab_status(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """The hosts and their services; exit status 3 when one is not up."""
    with reporting(as_json):
        from opswire.cli.views.lab import print_lab

        status = _lab(state_dir).status()
        if as_json:
            write_json({**asdict(status), "is_up": status.is_up})
        else:
            print_lab(terminal(), status)
        if not status.is_up:
            raise typer.Exit(NOT_UP)
