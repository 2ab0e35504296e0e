"""Tables on a terminal of 80 columns: the audit trail's ids and hashes, the figures of targets."""

from __future__ import annotations

import pytest
from opswire.cli.audit import Recorded
from opswire.cli.views.audit import print_entries
from opswire.cli.views.latency import render_targets
from opswire.cli.views.plain import counted
from opswire.contracts.audit_recorded import AuditEntry
from opswire.ledger.many.slo import Burn, Target, TargetState
from rich.console import Console

SUBJECT = "opswire.v1.cli.01a2b3c4-0000-7000-8000-123456789abc.approval.1.given"
ENTRY = AuditEntry(
    number=123,
    stream="OPSWIRE_FACTS",
    sequence=4567,
    subject=SUBJECT,
    body_digest="a" * 64,
    headers_digest="b" * 64,
    actor="U" + "A" * 55,
    at_ns=1_700_000_000_000_000_000,
    hash="0123456789abcdef" * 4,
)


def narrow(is_terminal: bool = True) -> Console:
    return Console(width=80, soft_wrap=True, force_terminal=is_terminal, color_system=None)


def test_an_entry_of_the_trail_is_told_with_nothing_torn_apart() -> None:
    console = narrow()
    with console.capture() as capture:
        print_entries(console, [Recorded(1, ENTRY)])
    _, entry, who, what = capture.get().splitlines()
    assert entry.startswith("123 ")
    assert entry.endswith("OPSWIRE_FACTS 4567  0123456789ab")
    assert who.split() == ["who", ENTRY.actor]
    assert what.split() == ["what", SUBJECT]


def test_a_program_reads_one_line_an_entry() -> None:
    console = narrow(is_terminal=False)
    with console.capture() as capture:
        print_entries(console, [Recorded(1, ENTRY)] * 2)
    _, *entries = capture.get().splitlines()
    assert len(entries) == 2
    assert all(SUBJECT in entry and ENTRY.actor in entry for entry in entries)


def test_the_figures_of_a_target_are_whole() -> None:
    target = Target("answered in time", "status.check*", 5_000, 0.99, 28, (), ())
    burns = tuple(Burn(window, 1_000, 10, 1.5) for window in ("1h", "5m", "6h", "30m"))
    console = narrow()
    with console.capture() as capture:
        console.print(render_targets([TargetState(target, 123_456, 789, 0.9936, 0.361, burns, "ticket")]))
    head, figures, *below = capture.get().splitlines()
    assert head.split() == ["target", "route", "good", "n", "bad", "verdict"]
    assert figures.split()[-5:] == ["99.36", "%", "123,456", "789", "ticket"]
    assert "wanted 99 % in 5000 ms" in below[0]
    assert all(f"burn {burn.window} 1.5" in " ".join(below) for burn in burns)
    assert all(len(line) <= 80 for line in (head, figures, *below[:-1]))


def test_no_target_is_a_table_without_rows() -> None:
    console = narrow()
    with console.capture() as capture:
        console.print(render_targets([]))
    assert capture.get().startswith("target")


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 assets"), (1, "1 asset"), (2, "2 assets"), (1_000, "1,000 assets")]
)
def test_things_are_counted(number: int, told: str) -> None:
    assert counted(number, "asset") == told
    assert counted(1, "entry", "entries") == "1 entry"
