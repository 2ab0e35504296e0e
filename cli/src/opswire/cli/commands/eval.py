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


class Prompts(StrEnum):
    """Which prompts the model is asked with."""

    BASELINE = "baseline"
    COMPACT = "compact"
    MERGED = "merged"


File = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="Labelled requests, one JSON object a line; ours if left out.")
]
TierOption = Annotated[
    Tier, typer.Option("--tier", help="Who reads them: the local classifier, a model, or the one and then the other.")
]
PromptsOption = Annotated[
    Prompts | None, typer.Option("--prompts", help="What a model is asked with; the service's setting if left out.")
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=1024, help="How many requests are read at once; 8 if left out."),
]
AsBatch = Annotated[
    bool, typer.Option("--batch", help="Ask the model in batches, for later; a broken run is taken up again.")
]
Threshold = Annotated[float | None, typer.Option("--threshold", help="The confidence, 0 to 1, that an answer needs.")]
Suffices = Annotated[
    float | None,
    typer.Option("--suffices", help="In the cascade, the classifier's confidence from which no model is asked."),
]
Against = Annotated[
    Path | None, typer.Option("--against", metavar="FILE", help="Compare with a run that --json wrote.")
]


@app.command("intents")
def evaluate_intents(
    file: File = None,
    tier: TierOption = Tier.LOCAL,
    prompts: PromptsOption = None,
    concurrency: Concurrency = None,
    batch: AsBatch = False,
    threshold: Threshold = None,
    suffices: Suffices = None,
    against: Against = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Measure how requests are read: intent, entities, risk; with a model also tokens, calls, cost and latency.

    The local tier needs nothing that runs; a missing classifier is trained. The other tiers ask the model server of
    `opswire up --model`, or the one that LLM_PROVIDER, LLM_BASE_URL and LLM_MODEL name. A failed request counts as
    wrong.
    """
    with reporting(as_json):
        from opswire.cli.evaluation.asking import ask_evaluation, model_environment
        from opswire.cli.state import StateDir as Directory

        state = Directory(state_dir)
        state.prepare()
        arguments = ["--model", str(state.classifier), "--tier", tier.value]
        given: dict[str, object] = {"prompts": prompts and prompts.value, "concurrency": concurrency}
        given |= {"threshold": threshold, "suffices": suffices, "against": against}
        given["batch"] = state.path / "evaluation" if batch else None
        arguments += [f"--{name}={value}" for name, value in given.items() if value is not None]
        # The file comes last, behind `--`: its name may begin with a dash.
        found = ask_evaluation([*arguments, *([] if file is None else ["--", str(file)])], model_environment(state))
        if as_json:
            write_json(found)
            return
        from opswire.cli.evaluation.view import print_report

        print_report(terminal(), found)
