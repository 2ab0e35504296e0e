"""How one outcome looks, and how the wait for it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opswire.cli.submission import Outcome, Progress, Submission
from opswire.cli.values import shown_key
from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

ROWS_SHOWN_MAX = 50
_STYLES = {"completed": "bold green", "needs_clarification": "bold yellow", "needs_human": "bold yellow"}
_TIMINGS = ("intent", "assets", "executor", "bus")


@contextmanager
def following(console: Console, submission: Submission) -> Iterator[Progress]:
    """Show what the services say they are doing, in one line that is gone when the outcome is there."""
    began = time.monotonic()
    with console.status(f"accepted by nobody yet: {submission.source}/{submission.request_id}") as status:

        def tell(service: str, doing: str) -> None:
            elapsed_ms = (time.monotonic() - began) * 1_000
            status.update(Text(f"{elapsed_ms:6.0f} ms  {harmless(service)}: {harmless(doing)}"))

        status.update("waiting for the first service")
        yield tell


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Status and sentence, the table, candidates, times, and what to do next."""
    finished = outcome.finished
    answer = finished.get("answer") or {}
    status = str(finished.get("status"))
    reason = f" ({finished['reason']})" if finished.get("reason") else ""
    console.print(
        Text.assemble(
            (f"{status}{reason}", _STYLES.get(status, "bold red")), f"  {harmless(str(answer.get('summary', '')))}"
        )
    )
    if answer.get("rows"):
        _print_rows(console, answer.get("columns") or [], answer["rows"])
    for candidate in finished.get("candidates", []):
        sure = candidate.get("confidence")
        percent = f" {sure:.0%}" if isinstance(sure, int | float) else ""
        text = f"  {candidate.get('kind')} {candidate.get('value')}{percent} {candidate.get('label', '')}"
        console.print(Text(harmless(text)))
    console.print(Text(_account(outcome), style="dim"))
    key = shown_key(outcome.source, outcome.request_id)
    console.print(Text(f"  opswire trace {key}", style="dim"))


def _print_rows(console: Console, columns: list[Any], rows: list[list[Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        numeric = all(isinstance(row[place], int | float) for row in rows)
        table.add_column(Text(harmless(str(column))), overflow="fold", justify="right" if numeric else "left")
    for row in rows[:ROWS_SHOWN_MAX]:
        table.add_row(*(Text("" if cell is None else harmless(str(cell))) for cell in row))
    console.print(table)
    if len(rows) > ROWS_SHOWN_MAX:
        console.print(Text(f"{ROWS_SHOWN_MAX} of {len(rows)} rows; --json shows all", style="dim"))


def _account(outcome: Outcome) -> str:
    timings = outcome.finished.get("timings") or {}
    parts = " · ".join(f"{name} {timings[name]:.1f}" for name in _TIMINGS if timings.get(name))
    intent = outcome.finished.get("intent")
    meaning = (
        f"{intent['name']} {intent['confidence']:.2f} by {intent['source']}, risk {intent['risk']}" if intent else ""
    )
    total = f"{timings.get('total', 0):.1f} ms inside ({parts}), {outcome.elapsed_ms:.1f} ms from here"
    known = "answered before" if outcome.accepted.repeated else ""
    return "  " + " · ".join(part for part in (meaning, total, known) if part)
