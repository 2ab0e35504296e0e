"""`policy`: what may be done and by whose leave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(no_args_is_help=True, help="What may be done, and by whose leave: show, check, explain.")
PolicyFile = Annotated[
    Path | None, typer.Option("--file", help="A policy file; default: OPSWIRE_POLICY_FILE, or the one in force here.")
]
PeopleFile = Annotated[Path | None, typer.Option("--people", help="A file of people; default: OPSWIRE_PEOPLE_FILE.")]


def _environment(state_dir: Path, policy_file: Path | None, people_file: Path | None) -> dict[str, str]:
    from opswire.cli.policy import rule_environment
    from opswire.cli.state import StateDir as Directory

    given = {"OPSWIRE_POLICY_FILE": policy_file, "OPSWIRE_PEOPLE_FILE": people_file}
    return rule_environment(Directory(state_dir), {name: str(path) for name, path in given.items() if path})


@app.command("show")
def show(
    file: PolicyFile = None, people: PeopleFile = None, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False
) -> None:
    """The rules in force and the people who may approve."""
    with reporting(as_json):
        from opswire.cli.policy import ask_policy
        from opswire.cli.views.policy import print_policy

        found = ask_policy("show", _environment(state_dir, file, people))
        if as_json:
            write_json(found)
        else:
            print_policy(terminal(), found)


@app.command("check")
def check(
    file: PolicyFile = None, people: PeopleFile = None, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False
) -> None:
    """Read the files and run the policy's own tests. Exit status 1 when it would let nothing be changed."""
    with reporting(as_json):
        from opswire.cli.policy import ask_policy
        from opswire.cli.views.policy import print_check

        found = ask_policy("check", _environment(state_dir, file, people))
        if as_json:
            write_json(found)
        else:
            print_check(terminal(), found)
        if found["fault"] or found["people_fault"]:
            raise typer.Exit(1)


@app.command("explain")
def explain(
    request: Annotated[str | None, typer.Argument(metavar="[REQUEST_ID]", help="A request that has a plan.")] = None,
    requester: Annotated[str | None, typer.Option("--as", help="Who would ask.")] = None,
    kind: Annotated[str | None, typer.Option(help="human or service.")] = None,
    source: Annotated[str | None, typer.Option(help="At which upstream.")] = None,
    intent: Annotated[str | None, typer.Option(help="Such as service.restart.")] = None,
    tool: Annotated[str | None, typer.Option(help="Such as service.restart.")] = None,
    effect: Annotated[str | None, typer.Option(help="none, read, write or destroy; default: write.")] = None,
    risk: Annotated[str | None, typer.Option(help="LOW, MEDIUM, HIGH or CRITICAL: the tool's.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="The assets' environment; default: production, as any unknown name.")
    ] = None,
    criticality: Annotated[str | None, typer.Option(help="low, medium, high or critical.")] = None,
    asset_type: Annotated[str | None, typer.Option("--asset-type", help="Such as host or service.")] = None,
    targets: Annotated[int | None, typer.Option(min=0, max=200, help="How many assets.")] = None,
    matching: Annotated[int | None, typer.Option(min=0, help="How many match in all.")] = None,
    selection: Annotated[str | None, typer.Option(help="none, named or filtered.")] = None,
    at: Annotated[str | None, typer.Option(help="When, such as 2026-12-24T12:00.")] = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", help="Of --at, such as Europe/Berlin.")] = None,
    file: PolicyFile = None,
    people: PeopleFile = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What the policy says now of a request, or of one made up of options; with every reason."""
    words = {"as": requester, "kind": kind, "source": source, "intent": intent, "tool": tool, "effect": effect}
    words |= {"risk": risk, "environment": environment, "criticality": criticality, "asset_type": asset_type}
    counts = {"targets": targets, "matching": matching}
    ask = words | counts | {"selection": selection, "at": at, "time_zone": time_zone}
    given = {name: value for name, value in ask.items() if value is not None}
    with reporting(as_json):
        from opswire.cli.errors import UsageError
        from opswire.cli.policy import ask_policy, question_about
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.policy import print_verdict

        if (request is None) == (not given):
            raise UsageError("give a request, or options that make one up", "opswire policy explain --help")
        question = run(question_about(Directory(state_dir), request)) if request is not None else {"ask": given}
        found = ask_policy("explain", _environment(state_dir, file, people), question)
        if as_json:
            write_json(found)
        else:
            print_verdict(terminal(), found)
