"""How one request's trace looks: it fits, it adds up, and nothing in it acts on the terminal."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from opswire.cli.views.trace import LINES_MAX, render_trace, trace_as_json
from opswire.ledger.account import account
from opswire.ledger.model import Span
from opswire.ledger.testing import TraceBuilder, broken_spans, whole_request
from rich.console import Console

KEY = "cli/r1"


def shown(spans: list[Span], width: int = 100, terminal: bool = False) -> str:
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    request, segments = account(KEY, spans)
    for part in render_trace(request, spans, segments):
        console.print(part)
    return output.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_and_is_plain_where_there_is_no_terminal(width: int) -> None:
    text = shown(whole_request(TraceBuilder()), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    assert "request cli/r1  completed  40.000 ms  unattributed 0.0 %" in " ".join(text.split("\n"))
    assert "\x1b[" in shown(whole_request(TraceBuilder()), width, terminal=True)


def test_the_printed_figures_add_up() -> None:
    spans = whole_request(TraceBuilder())
    spans[5] = replace(spans[5], start_ns=spans[5].start_ns + 333, end_ns=spans[5].end_ns - 777)
    table = shown(spans).split("stage ")[-1]
    rows = re.findall(r"^[a-z.]+ +([\d.]+) +([\d.]+) % +\d", table, re.MULTILINE)
    footer = re.search(r"accepted to finished +([\d.]+) +([\d.]+) %", table)
    assert footer is not None
    assert len(rows) == 8
    assert round(sum(float(time) for time, _ in rows), 3) == float(footer[1]) == 40.0
    assert round(sum(float(share) for _, share in rows), 1) == float(footer[2]) == 100.0


def test_the_waterfall_shows_causes_waits_and_the_path() -> None:
    lines = shown(whole_request(TraceBuilder())).splitlines()
    by_name = {re.split(r" {2,}", line.strip())[0]: line for line in lines}
    assert by_name["process intent"].index("process") > by_name["send intent"].index("send")
    assert "···█" in by_name["process intent"], "waiting in the bus stands before the work"
    assert "█" in by_name["http web-01"]
    assert "█" not in by_name["tcp web-01"], "a sibling that finished earlier is not on the path"


def test_an_untrusted_request_says_so_and_why() -> None:
    trace = TraceBuilder()
    executor = trace.process("submitted", "executor", 0, 1, 5)
    trace.send("finished", "executor", 80, 81, executor)
    text = " ".join(shown(trace.spans).split())
    assert "untrusted: 92.6 % of the time is unexplained or repaired (75.000 ms detached)" in text


def test_a_name_cannot_act_on_the_terminal() -> None:
    trace = TraceBuilder()
    trace.add("\x1b[2J[red]\u202eevil\nname", "\x1b]0;title\x07", 0, 5)
    text = shown(trace.spans)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text


def test_many_spans_are_cut_with_their_number() -> None:
    trace = TraceBuilder()
    executor = trace.process("submitted", "executor", 0, 0, 1_000)
    for number in range(LINES_MAX + 50):
        trace.add("step", "executor", number, number + 1, executor)
    assert "… and 51 spans more" in shown(trace.spans)


def test_nothing_broken_breaks_the_view() -> None:
    for seed in range(200):
        text = shown(broken_spans(seed))
        assert text.startswith("request cli/r1")
        assert max(len(line) for line in text.splitlines()) <= 100


def test_the_document_adds_up_and_is_json() -> None:
    spans = whole_request(TraceBuilder())
    request, segments = account(KEY, spans)
    document = json.loads(json.dumps(trace_as_json(request, spans, segments)))
    assert sum(row["total_ns"] for row in document["stages"]) == document["request"]["e2e_ns"] == 40_000_000
    assert sum(s["end_ns"] - s["start_ns"] for s in document["segments"]) == 40_000_000
    assert [branch["depth"] for branch in document["spans"]][:4] == [0, 1, 1, 2]
    assert document["spans"][0]["stage"] == "intent.compute"


def test_a_request_that_is_not_finished_is_not_called_so() -> None:
    text = shown([span for span in whole_request(TraceBuilder()) if "finished" not in span.name])
    assert "accepted to last span" in text
    assert "accepted to finished" not in text
