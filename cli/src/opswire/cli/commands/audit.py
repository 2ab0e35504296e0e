"""`audit`: who changed what, and whether the record of it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir, broker_at

if TYPE_CHECKING:
    from opswire.cli.audit import Recorded

app = typer.Typer(no_args_is_help=True, help="Who changed what, in a chain that shows every later change to itself.")
Anchors = Annotated[
    Path | None,
    typer.Option("--anchors", help="The directory of anchors and marks; audit in the state directory when not given."),
]


@app.command("list")
def list_entries(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 50,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """The newest entries, oldest of them first."""
    with reporting(as_json):
        from opswire.cli.audit import trail_at

        async def work() -> list[Recorded]:
            async with trail_at(broker_at(state_dir)) as trail:
                return await trail.newest(limit)

        _show(run(work()), as_json)


@app.command("show")
def show_request(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="ID, or SOURCE/ID for another upstream's.")],
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Every entry about one request, in the order in which it happened."""
    with reporting(as_json):
        from opswire.cli.audit import trail_at
        from opswire.cli.errors import NotFoundError
        from opswire.cli.values import request_key

        source, request_id = request_key(request)
        prefix = f"opswire.v1.{source}.{request_id}."

        async def work() -> list[Recorded]:
            async with trail_at(broker_at(state_dir)) as trail:
                return [one async for one in trail.entries() if one.entry.subject.startswith(prefix)]

        found = run(work())
        if not found:
            raise NotFoundError(f"nothing is recorded about {source}/{request_id}", "opswire audit verify")
        _show(found, as_json, prefix)


@app.command("export")
def export(
    first: Annotated[int, typer.Option("--from", min=1, help="The first record to write.")] = 1,
    to: Annotated[Path | None, typer.Option("--to", help="A file, instead of standard output.", dir_okay=False)] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Every entry as a line of JSON on standard output or in a file, fit for another program to recompute.

    With --to and --json: where they are and how many.
    """
    with reporting(as_json):
        from opswire.cli.audit import lines_to, trail_at
        from opswire.cli.views.plain import counted

        async def work() -> int:
            async with trail_at(broker_at(state_dir)) as trail:
                with lines_to(to) as write:
                    count = 0
                    async for one in trail.entries(first):
                        write(one.as_json())
                        count += 1
                    return count

        count = run(work())
        if to is not None and as_json:
            write_json({"path": str(to), "entries": count})
        elif to is not None:
            terminal().print(f"Written: {counted(count, 'entry', 'entries')} to {to}", markup=False)


@app.command("verify")
def verify(anchors: Anchors = None, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Recompute the chain, compare it with what is stored and with the anchors. Exit status 1 when it is not whole."""
    with reporting(as_json):
        from opswire.cli.audit import audit_directory, trail_at
        from opswire.cli.views.audit import print_report

        async def work() -> Any:
            async with trail_at(broker_at(state_dir)) as trail:
                return await trail.verify(audit_directory(state_dir, anchors))

        report = run(work())
        if as_json:
            write_json(report.as_json())
        else:
            print_report(terminal(), report)
        if not report.is_whole:
            raise typer.Exit(1)


@app.command("accept-loss")
def accept_loss(
    reason: Annotated[str, typer.Option("--reason", help="Why it is known what is gone, such as: restored a backup.")],
    person: Annotated[str, typer.Option("--as", help="Who says so; your user name when not given.")] = "",
    anchors: Anchors = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Go on although the broker lost what it had acknowledged: executors change things again, the trail says who."""
    with reporting(as_json):
        import getpass
        from dataclasses import asdict

        from opswire.cli.audit import audit_directory, trail_at

        async def work() -> Any:
            async with trail_at(broker_at(state_dir)) as trail:
                directory = audit_directory(state_dir, anchors)
                return await trail.accept_losses(directory, person or getpass.getuser(), reason)

        accepted = run(work())
        if as_json:
            write_json({"accepted": [asdict(loss) for loss in accepted]})
        elif not accepted:
            terminal().print("Nothing is lost: every stream holds what it had acknowledged.")
        for loss in [] if as_json else accepted:
            known = f"{loss.lost.sequence} was acknowledged, {loss.now.sequence} is there"
            terminal().print(f"Accepted: {loss.stream}, {known}.", markup=False)


def _show(found: list[Recorded], as_json: bool, told_already: str = "") -> None:
    from opswire.cli.views.audit import print_entries

    if as_json:
        write_json({"entries": [one.as_json() for one in found]})
    else:
        print_entries(terminal(), found, told_already)
