"""`cache`: what the caches do, and making them forget."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from opswire.cli.console import reporting, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(no_args_is_help=True, help="The caches: stats, keys, invalidate, changed, warm, canary.")


class Basis(StrEnum):
    """What answers rest on that no service of ours keeps."""

    KNOWLEDGE = "knowledge"


@app.command("stats")
def stats(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Hits, misses, memory and age of every cache, from the processes that serve; and those processes."""
    with reporting(as_json):
        from opswire.cli import caches
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.caches import print_statistics

        found = caches.statistics(Directory(state_dir))
        if as_json:
            write_json(found)
        else:
            print_statistics(terminal(), found)


@app.command("keys")
def keys(
    tag: Annotated[str | None, typer.Option(help="Only keys that carry this tag, such as name:web-01.")] = None,
    cache: Annotated[str | None, typer.Option(help="Only this cache.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Of each cache and process.")] = 100,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What the processes have in memory now."""
    with reporting(as_json):
        from opswire.cli import caches
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.caches import print_keys

        found = caches.keys(Directory(state_dir), tag, cache, limit)
        if as_json:
            write_json(found)
        else:
            print_keys(terminal(), found)


@app.command("invalidate")
def invalidate(
    asset: Annotated[str | None, typer.Argument(help="An asset's name or id.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag as it is; may be given more than once.")] = None,
    template: Annotated[str | None, typer.Option(help="An intent template.")] = None,
    tool: Annotated[str | None, typer.Option(help="Everything that this tool answered.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every entry of every cache.")] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Put answers out of date; returns once no process serves them, and says which did not answer."""
    with reporting(as_json):
        from opswire.cli import caches
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.caches import print_invalidation

        found = caches.invalidate(Directory(state_dir), asset, tag or (), template, tool, everything)
        if as_json:
            write_json(found)
        else:
            print_invalidation(terminal(), found)


@app.command("changed")
def changed(
    kind: Annotated[Basis, typer.Argument(help="What changed.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Which documents, by their names; none: any of them.")
    ] = None,
    version: Annotated[str, typer.Option(help="Which state it is now, for people who compare.")] = "",
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Say that documents changed; returns once no process serves what stood on the old ones."""
    with reporting(as_json):
        from opswire.cli import caches
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.caches import print_invalidation

        found = caches.changed(Directory(state_dir), kind.value, names or (), version)
        if as_json:
            write_json(found)
        else:
            print_invalidation(terminal(), found)


@app.command("warm")
def warm(
    file: Annotated[
        Path | None, typer.Argument(help="Requests, one in a line; # begins a comment.", exists=True, dir_okay=False)
    ] = None,
    recent: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="So many of the most frequent reading requests of late.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was stopped.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the run.")] = True,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Fill the caches by sending common requests, a few at a time. Without a file: the list in OPSWIRE_WARM_FILE."""
    with reporting(as_json):
        from opswire.cli import caches
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.caches import print_warming

        def report(progress: dict[str, Any]) -> None:
            if not as_json:
                print_warming(terminal(error=True), progress)

        texts = caches.request_lines(file) if file else []
        found = caches.warm(Directory(state_dir), texts, recent, resume, wait, report)
        if as_json:
            write_json(found)
        else:
            print_warming(terminal(), found)


@app.command("canary")
def canary(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """How long the canary's old value was served after it changed, and whether one was ever served too long."""
    with reporting(as_json):
        from opswire.cli import caches
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.caches import print_canary

        found = caches.canary(Directory(state_dir))
        if as_json:
            write_json(found)
        else:
            print_canary(terminal(), found)
