"""`keys`: the key with which a person signs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(
    no_args_is_help=True, help="Keys with which people sign approvals, and everybody connects to the broker."
)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is, as it is to stand in people.yaml.")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="A role of the entry, more than once for several; default: operator."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Where the seed goes; default: keys/NAME.seed.")] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a key, keep its seed in a file that only you can read, and print the entry for people.yaml."""
    with reporting(as_json):
        import re

        from opswire.cli.errors import UsageError
        from opswire.cli.policy import rule_environment
        from opswire.cli.seeds import SEED_VARIABLE, make_key, people_entry
        from opswire.cli.state import StateDir as Directory

        roles = role or ["operator"]
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise UsageError(f"{name!r} is no name for a key", "letters, digits, dots, dashes; aliases come later")
        for one in roles:
            if not re.fullmatch(r"[a-z][a-z0-9_]{1,63}", one):
                raise UsageError(f"{one!r} is no role", "lower-case letters, digits and underscores, such as operator")
        path, public = make_key(Directory(state_dir), name, file)
        entry = people_entry(name, public, roles)
        if as_json:
            write_json({"name": name, "public": public, "seed_file": str(path), "people_entry": entry})
            return
        console = terminal(error=True)
        console.print(
            f"The seed is in {path}, for your eyes only. To sign with it: export {SEED_VARIABLE}={path}", markup=False
        )
        directory = Directory(state_dir)
        people = rule_environment(directory, {}).get("OPSWIRE_PEOPLE_FILE", directory.path / "people.yaml")
        console.print(f"This entry goes into {people}, below the line `people:`", markup=False)
        terminal().print(entry, markup=False, end="")


@app.command("broker")
def broker(
    directory: Annotated[
        Path | None, typer.Argument(help="Where seeds and accounts go; default: where `opswire up --secured` looks.")
    ] = None,
    upstreams: Annotated[
        list[str] | None, typer.Option("--upstream", metavar="SOURCE", help="An upstream; may be given more than once.")
    ] = None,
    people: Annotated[
        list[str] | None,
        typer.Option(
            "--person", metavar="NAME=KEY", help="A person and public key, as in people.yaml; may be repeated."
        ),
    ] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a key for each service, administrator and upstream, and the accounts that nats-server includes.

    What is there stays: repeat it with one more upstream or person, then reload the broker.
    """
    with reporting(as_json):
        from opswire.cli.broker_folder import make_folder
        from opswire.cli.state import StateDir as Directory

        if directory is None:
            state = Directory(state_dir)
            state.prepare()
            directory = state.broker_keys
        made = make_folder(directory, upstreams or [], people or [])
        if as_json:
            write_json(made)
            return
        for row in made["roles"]:
            terminal().print(f"{row['name']}: {row['seed_file'] or 'a key of its own'}", markup=False)
        terminal(error=True).print(
            f"The broker includes {made['accounts_file']}, and knows new keys once it is reloaded (nats-server --signal"
            " reload; of `opswire up`: down, and up again). Each seed goes to its role alone; see deploy/README.md",
            markup=False,
        )
