"""`doctor`: what is wrong here and what to do about it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.errors import DOCTOR_FOUND_SOMETHING
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

Gpu = Annotated[
    bool, typer.Option("--gpu", help="Look at this machine as a model server's: driver, memory, disk, vLLM's flags.")
]


def doctor(state_dir: StateDir = STATE_DIR_DEFAULT, gpu: Gpu = False, as_json: Json = False) -> None:
    """Check Python, wheels, ports, state, streams, disk, durability, classifier, services; say what to do."""
    with reporting(as_json):
        if gpu:
            from opswire.cli.gpu_checks import examine_gpu

            findings = run(examine_gpu(os.environ))
        else:
            from opswire.cli.checks import examine
            from opswire.cli.state import StateDir as Directory

            findings = run(examine(Directory(state_dir)))
        wrong = any(finding.verdict == "wrong" for finding in findings)
        if as_json:
            write_json({"healthy": not wrong, "findings": [asdict(finding) for finding in findings]})
        else:
            from opswire.cli.views.doctor import print_findings

            print_findings(terminal(), findings)
        if wrong:
            raise typer.Exit(DOCTOR_FOUND_SOMETHING)
