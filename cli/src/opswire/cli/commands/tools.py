"""`tools`: the catalogue of what can be done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

PROGRAM = "opswire.executor.toolbox"
FOLDER = "OPSWIRE_CATALOGUE_DIR"

app = typer.Typer(no_args_is_help=True, help="The catalogue of tools: list, show, check, try what one would send.")
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help=f"A folder with tools of your own; {FOLDER}, or `catalogue` in the state directory, if left out.",
        file_okay=False,
    ),
]
Tool = Annotated[str, typer.Argument(metavar="TOOL", help="Such as service.restart.")]


def _ask(folder: Path | None, state_dir: Path, *arguments: str) -> dict[str, Any]:
    from opswire.cli.evaluation.asking import ask_program

    environment = dict(os.environ) | {"OPSWIRE_STATE_DIR": str(state_dir)}
    if folder is None and FOLDER not in environment and (state_dir / "catalogue").is_dir():
        folder = state_dir / "catalogue"
    return ask_program(PROGRAM, arguments, environment | ({FOLDER: str(folder)} if folder else {}))


@app.command("list")
def list_tools(
    intent: Annotated[str | None, typer.Option(help="Only those that serve it, such as service.restart.")] = None,
    asset_type: Annotated[str | None, typer.Option("--asset-type", help="Only those that fit, such as host.")] = None,
    folder: Folder = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Every tool with what it does, its effect and its risk."""
    with reporting(as_json):
        from opswire.cli.errors import UsageError
        from opswire.contracts.taxonomy import IntentName

        if intent is not None and intent not in set(IntentName):
            raise UsageError(f"there is no intent {intent!r}", "opswire tools list without --intent")
        given = {"--intent": intent, "--asset-type": asset_type}
        found = _ask(folder, state_dir, "list", *(f"{name}={value}" for name, value in given.items() if value))
        if as_json:
            write_json(found)
            return
        from opswire.cli.views.tools import print_tools

        print_tools(terminal(), found)


@app.command("show")
def show(tool: Tool, folder: Folder = None, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """All that the catalogue says of one tool: parameters, probe, what undoes it."""
    with reporting(as_json):
        found = _ask(folder, state_dir, "show", "--", tool)
        if as_json:
            write_json(found)
            return
        from opswire.cli.views.tools import print_tool

        print_tool(terminal(), found)


@app.command("check")
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Files of tools of your own.")] = None,
    folder: Folder = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Read files of tools and name every fault by file, tool and field. Exit status 1 where there is one."""
    with reporting(as_json):
        found = _ask(folder, state_dir, "check", "--", *(str(file) for file in files or ()))
        if as_json:
            write_json(found)
        else:
            from opswire.cli.views.tools import print_check

            print_check(terminal(), found)
        if found["faults"]:
            raise typer.Exit(1)


@app.command("mcp")
def show_mcp(
    server: Annotated[str, typer.Argument(metavar="SERVER", help="A server that a file of the catalogue names.")],
    folder: Folder = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What an MCP server offers, and what of it nobody can call because the catalogue gives it no effect and risk."""
    with reporting(as_json):
        found = _ask(folder, state_dir, "mcp", "--", server)
        if as_json:
            write_json(found)
            return
        from opswire.cli.views.tools import print_offered

        print_offered(terminal(), found)


@app.command("try")
def try_tool(
    tool: Tool,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="The tool's arguments.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; nothing is.")] = False,
    folder: Folder = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Check a tool's arguments and show what would be sent, by what it would be verified and what would undo it."""
    with reporting(as_json):
        if not dry_run:
            from opswire.cli.errors import UsageError

            reason = "a tool is run for a request alone, so that policy, approvals and the audit trail hold"
            raise UsageError(reason, f"opswire tools try {tool} --dry-run, or opswire ask")
        found = _ask(folder, state_dir, "try", "--", tool, *(arguments or ()))
        if as_json:
            write_json(found)
            return
        from opswire.cli.views.tools import print_rehearsal

        print_rehearsal(terminal(), found)
