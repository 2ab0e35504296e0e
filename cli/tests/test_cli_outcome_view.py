"""The outcome's table on a narrow terminal: whole columns or none, nothing squeezed to one letter."""

from __future__ import annotations

import io
import time

import pytest
from opswire.cli.bus import Accepted
from opswire.cli.submission import Outcome
from opswire.cli.views.outcome import Waiting, fitting, print_outcome
from rich.console import Console


def shown(columns: list[str], rows: list[list[object]], width: int) -> str:
    finished = {"status": "completed", "answer": {"summary": "Done.", "columns": columns, "rows": rows}, "timings": {}}
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=False, highlight=False)
    print_outcome(console, Outcome("cli", "r1", Accepted(1, repeated=False), finished, 1.0))
    return output.getvalue()


def test_columns_without_content_and_those_that_do_not_fit_are_left_out() -> None:
    assert fitting([True, False, True], [10, 10, 10], 80) == [0, 2]
    assert fitting([True, True, True], [10, 10, 10], 22) == [0, 1]
    assert fitting([True, True], [500, 500], 80) == [0, 1]
    assert fitting([True], [500], 10) == [0]


def test_what_is_left_out_is_said() -> None:
    columns = [f"column-{number}" for number in range(9)]
    text = shown(columns, [[f"value-{number}-of-some-length" for number in range(9)]], 80)
    assert "value-0-of-some-length" in text
    assert "without column-3" in text
    assert max(len(line) for line in text.splitlines()) <= 120
    many = shown(["n"], [[number] for number in range(60)], 80)
    assert "50 of 60 rows: --json shows all" in many
    assert "yes" in shown(["changes something"], [[True], [None]], 80)


def test_cells_cannot_act() -> None:
    text = shown(["name"], [["[bold]x[/bold] \x1b[2J"], [None]], 80)
    assert "[bold]x[/bold] \\x1b[2J" in text


def test_a_wait_says_how_long_it_is_each_time_that_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    waiting = Waiting(now_s, "executor: see above")
    assert waiting.__rich__().plain == "   0.0 s  executor: see above"
    now_s += 90
    assert waiting.__rich__().plain == "   1.5 min  executor: see above"
