"""`tokens`: what the prompts of the model tier and of the executor cost."""

from __future__ import annotations

from typing import Annotated

import typer
from opswire.cli.commands.eval import Prompts
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir


def tokens(
    requests: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REQUEST]...", help="Requests to count; our labelled set if left out."),
    ] = None,
    prompts: Annotated[
        list[Prompts] | None,
        typer.Option("--prompts", help="Only this prompt set of the intent; may be given more than once."),
    ] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Count the tokens of every prompt, part by part, what merging saves, and what prompt caching can keep.

    The executor's plan and summary are filled with an example: a shop with a service, a database and their hosts.
    Counted by Qwen2.5's own tokenizer, without a network. Where the configured model server counts tokens too
    (vLLM), its count is shown beside ours.
    """
    with reporting(as_json):
        from opswire.cli.evaluation.asking import ask_program, model_environment
        from opswire.cli.state import StateDir as Directory

        environment = model_environment(Directory(state_dir))
        asked = ["--", *requests] if requests else []
        chosen = [f"--prompts={name.value}" for name in prompts or ()]
        others = None if chosen else ask_program("opswire.executor.prompt_texts", asked, environment)
        arguments = [*chosen, *(["--others"] if others else []), *asked]
        found = ask_program("opswire.intent.tokens", arguments, environment, others)
        if as_json:
            write_json(found)
            return
        from opswire.cli.evaluation.tokens_view import print_tokens

        print_tokens(terminal(), found)
