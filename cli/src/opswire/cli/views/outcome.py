"""How one outcome looks, and how the wait for it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opswire.cli.submission import Outcome, Progress, Submission
from opswire.cli.values import shown_key
from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

ROWS_SHOWN_MAX = 50
COLUMN_CHARACTERS_MIN = 24
COMMAND = "opswire "
_STYLES = {"completed": "bold green", "needs_clarification": "bold yellow", "needs_human": "bold yellow"}
_TIMINGS = {"intent": "intent", "assets": "assets", "executor": "executor", "bus": "waiting"}
"""A timing and its label. What no service held is `bus` in the message: streams, publishing, and people."""


@contextmanager
def following(console: Console, submission: Submission) -> Iterator[Progress]:
    """Show what the services say they are doing, in one line that is gone when the outcome is there.

    What tells a person to do something stays: it may take hours until the outcome is there.
    """
    began = time.monotonic()
    first = f"{submission.source}/{submission.request_id}: waiting for the first service"
    with console.status(Waiting(began, first)) as status:

        def tell(service: str, doing: str) -> None:
            told = f"{harmless(service)}: {harmless(doing)}"
            if COMMAND in doing:
                console.print(Text(f"{(time.monotonic() - began) * 1_000:6.0f} ms  {told}"), soft_wrap=True)
                told = f"{harmless(service)}: see above"
            status.update(Waiting(began, told))

        yield tell


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for, and for how long by now: reckoned anew each time that it is drawn."""

    began: float
    told: str

    def __rich__(self) -> Text:
        elapsed_s = time.monotonic() - self.began
        return Text(f"{elapsed_s:6.1f} s  {self.told}" if elapsed_s < 60 else f"{elapsed_s / 60:6.1f} min  {self.told}")


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
    texts = [[harmless(_cell(cell)) for cell in row] for row in rows]
    titles = [harmless(str(column)) for column in columns]
    widths = [max(len(title), *(len(row[place]) for row in texts)) for place, title in enumerate(titles)]
    shown = fitting([any(row[place] for row in texts) for place in range(len(titles))], widths, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place in shown:
        numeric = all(isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in rows)
        least = min(widths[place], COLUMN_CHARACTERS_MIN)
        table.add_column(titles[place], overflow="fold", justify="right" if numeric else "left", min_width=least)
    for row in texts[:ROWS_SHOWN_MAX]:
        table.add_row(*(Text(row[place]) for place in shown))
    console.print(table)
    left_out = [titles[place] for place in range(len(titles)) if place not in shown]
    notes = [f"{ROWS_SHOWN_MAX} of {len(rows)} rows"] if len(rows) > ROWS_SHOWN_MAX else []
    notes += [f"without {', '.join(left_out)}"] if left_out else []
    if notes:
        console.print(Text(f"{'; '.join(notes)}: --json shows all", style="dim"))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def fitting(filled: Sequence[bool], widths: Sequence[int], total: int) -> list[int]:
    """The places of the columns that are shown: those with anything in them, from the left as far as they fit.

    A long column counts with 24 characters, since its cells may break into lines; the first column is always shown.
    """
    places: list[int] = []
    used = 0
    for place, (has_any, width) in enumerate(zip(filled, widths, strict=True)):
        needed = min(width, COLUMN_CHARACTERS_MIN) + (2 if places else 0)
        if has_any and (used + needed <= total or not places):
            places.append(place)
            used += needed
    return places


def _account(outcome: Outcome) -> str:
    timings = outcome.finished.get("timings") or {}
    parts = " · ".join(f"{label} {timings[name]:.1f}" for name, label in _TIMINGS.items() if timings.get(name))
    intent = outcome.finished.get("intent")
    meaning = (
        f"{intent['name']} {intent['confidence']:.2f} by {intent['source']}, risk {intent['risk']}" if intent else ""
    )
    total = f"{timings.get('total', 0):.1f} ms inside ({parts}), {outcome.elapsed_ms:.1f} ms from here"
    known = "answered before" if outcome.accepted.repeated else ""
    return "  " + " · ".join(part for part in (meaning, total, known) if part)
