"""`latency`: which stage makes requests slow, what changed, and whether the targets are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(help="Which stage makes requests slow, and what changed.")

Window = Annotated[str, typer.Option("--window", help="1h, 12:00-13:00, 'since 12:00', today; or a file of traces.")]
Route = Annotated[str | None, typer.Option("--route", help="Only this route; a * at its end stands for anything.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write the page, with these tables in it, to a file.")]


@app.callback(invoke_without_command=True)
def latency(
    context: typer.Context,
    window: Window = "1h",
    against: Annotated[
        str | None, typer.Option("--against", help="The reference; default: as long a time right before the window.")
    ] = None,
    route: Route = None,
    html: Html = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """The stage table of a window: where the time went, how the slow differ from the typical, and what moved."""
    if context.invoked_subcommand is not None:
        return
    with reporting(as_json):
        from opswire.cli.latency_commands import show_table

        show_table(state_dir, window, against, route, html, terminal(), as_json)


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="The window, or file of traces, to compare with.")],
    after: Annotated[
        str | None, typer.Argument(metavar="B", help="The other; left out, A is compared with the time before it.")
    ] = None,
    route: Route = None,
    html: Html = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What changed from A to B: which stage, or the mix of requests; and what the slow ones have in common."""
    with reporting(as_json):
        from opswire.cli.latency_commands import show_difference

        show_difference(state_dir, before, after, route, html, terminal(), as_json)


@app.command("slo")
def slo(
    targets: Annotated[
        Path | None, typer.Option("--targets", help="A TOML file; default: slo.toml in the state directory.")
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Print the built-in targets, to edit them.")] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """The targets by route: what share was good, how much budget is left, and how fast it burns."""
    with reporting(as_json):
        from opswire.cli.latency_commands import print_default_targets, show_targets

        if defaults:
            print_default_targets(as_json)
        else:
            show_targets(state_dir, targets, terminal(), as_json)


@app.command("serve")
def serve(
    port: Annotated[int, typer.Option(help="On loopback; 0 takes a free one.", min=0, max=65_535)] = 0,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Serve the page on loopback and keep the rows up to date, until Ctrl-C. Prints its address, with a token."""
    with reporting(as_json):
        from opswire.cli.latency_server import serve_page

        serve_page(state_dir, port, lambda url: write_json({"url": url}) if as_json else terminal().print(url))


@app.command("page")
def page(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """The address of the page that `opswire up` serves, with its token: open it in a browser."""
    with reporting(as_json):
        from opswire.cli.latency_server import served_page
        from opswire.cli.state import StateDir as Directory

        url = served_page(Directory(state_dir).running())
        if as_json:
            write_json({"url": url})
        else:
            terminal().print(url, markup=False, soft_wrap=True)
