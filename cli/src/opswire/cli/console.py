"""Output of the commands: for people through rich, for programs as one JSON document on standard output."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from opswire.cli.errors import CommandError, NotRunningError

if TYPE_CHECKING:
    from rich.console import Console

ResultT = TypeVar("ResultT")
INTERRUPTED = 130


def terminal(error: bool = False) -> Console:
    """A console on standard output, or on standard error for progress and complaints."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=True)


def write_json(value: object) -> None:
    """One JSON document, indented, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def complain(error: CommandError, as_json: bool) -> None:
    """Say what went wrong and what to do."""
    if as_json:
        write_json({"error": {"code": error.code, "message": str(error), "advice": error.advice}})
        return
    from rich.text import Text

    console = terminal(error=True)
    # Text, not markup: the sentence may quote what somebody typed.
    console.print(Text.assemble(("error: ", "bold red"), str(error)))
    if error.advice:
        console.print(Text.assemble(("  try: ", "dim"), error.advice))


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turn the errors of a command into one sentence and an exit status. Other exceptions are bugs and pass through."""
    import typer

    try:
        yield
    except CommandError as error:
        complain(error, as_json)
        raise typer.Exit(error.exit_status) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run asynchronous work to its end. A broker that went away becomes NotRunningError."""
    import structlog
    from nats.errors import ConnectionClosedError, NoServersError, OutboundBufferLimitError

    # What the chassis logs is for people: standard output holds the result alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        return asyncio.run(work)
    except (ConnectionClosedError, NoServersError, OutboundBufferLimitError, ConnectionRefusedError) as error:
        raise NotRunningError(f"the broker went away: {error}", "opswire status, then repeat the command") from error
