"""`inference`: the model servers."""

from __future__ import annotations

from typing import Annotated

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.errors import CommandError
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(no_args_is_help=True, help="The model servers: what is asked, in which order, and switching.")
SERVICE_DEFAULT = "intent"
Service = Annotated[str, typer.Option("--service", help="Whose chain of endpoints.")]


@app.command("show")
def show(service: Service = SERVICE_DEFAULT, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """The chain of endpoints, what each can do, and where each setting comes from. Keys are never shown."""
    with reporting(as_json):
        from opswire.cli import inference
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.inference import print_chain

        found = inference.show(Directory(state_dir), service)
        if as_json:
            write_json(found)
        else:
            print_chain(terminal(), found)


@app.command("use")
def use(
    endpoint: Annotated[
        str,
        typer.Argument(help="An endpoint of the file, a provider such as ollama, or `environment`: what LLM_* names."),
    ],
    service: Annotated[str | None, typer.Option("--service", help="For this service alone; else for all.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Its model, where the endpoint is new.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Its address, where the endpoint is new.")] = None,
    only: Annotated[bool, typer.Option("--only", help="Leave the others out instead of keeping them behind.")] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Ask this endpoint first from now on. Running services follow within a second; nothing is restarted."""
    with reporting(as_json):
        from opswire.cli import inference
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.switching import Choice
        from opswire.cli.views.inference import print_switch

        wanted = Choice(endpoint, service, model, base_url, only)
        found = inference.use(Directory(state_dir), wanted)
        if as_json:
            write_json(found)
        else:
            print_switch(terminal(), found)


@app.command("providers")
def providers(
    name: Annotated[str | None, typer.Argument(help="Only this one, with its notes and sources.")] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What each known provider can do, with source and date. One that is not known is asked in plain calls."""
    del state_dir  # every command takes it
    with reporting(as_json):
        from opswire.cli import inference
        from opswire.cli.views.inference import print_provider, print_providers

        rows = inference.providers(name)
        if as_json:
            write_json(rows)
        elif name is None:
            print_providers(terminal(), rows)
        else:
            print_provider(terminal(), rows[0])


@app.command("check")
def check(service: Service = SERVICE_DEFAULT, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Ask each endpoint whether it is well, and one tiny question; say how long it took and what to do where it fails.

    A hosted provider is paid for a few tokens.
    """
    with reporting(as_json):
        from opswire.cli import inference
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.inference import print_checks

        found = run(inference.check(Directory(state_dir), service))
        if as_json:
            write_json(found)
        else:
            print_checks(terminal(), found)
        failed = [one["endpoint"] for one in found["endpoints"] if not one["ok"]]
        if failed and as_json:
            raise typer.Exit(CommandError.exit_status)
        if failed:
            raise CommandError(f"{len(failed)} of {len(found['endpoints'])} endpoints do not answer as they should")
