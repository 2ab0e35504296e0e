"""`eval`: how well requests are understood."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(no_args_is_help=True, help="How well requests are understood: labelled requests in, figures out.")


class Tier(StrEnum):
    """Which part of the intent service reads the requests."""

    LOCAL = "local"
    MODEL = "model"
    CASCADE = "cascade"


@app.command("intents")
def evaluate_intents(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Labelled requests, one JSON object a line; ours if left out.")
    ] = None,
    tier: Annotated[Tier, typer.Option("--tier", help="Who reads them. Only local exists yet.")] = Tier.LOCAL,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="The confidence, 0 to 1, that an answer needs.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Compare with a run that --json wrote.")
    ] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Measure how requests are read: intent, entities, risk. Nothing need run; a missing classifier is trained."""
    with reporting(as_json):
        from opswire.cli.evaluation.asking import ask_evaluation
        from opswire.cli.state import StateDir as Directory

        state = Directory(state_dir)
        state.prepare()
        arguments = ["--model", str(state.classifier), "--tier", tier.value]
        arguments += [] if threshold is None else [f"--threshold={threshold}"]
        arguments += [] if against is None else [f"--against={against}"]
        # The file comes last, behind `--`: its name may begin with a dash.
        found = ask_evaluation([*arguments, *([] if file is None else ["--", str(file)])])
        if as_json:
            write_json(found)
            return
        from opswire.cli.evaluation.view import print_report

        print_report(terminal(), found)
