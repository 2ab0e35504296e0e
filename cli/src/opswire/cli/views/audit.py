"""How the audit trail looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opswire.cli.audit import Recorded
from opswire.cli.audit_check import Report
from opswire.cli.facts import clock
from opswire.cli.views.plain import counted, harmless
from opswire.cli.views.rows import Rows
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

HASH_CHARACTERS = 12


def print_entries(console: Console, found: list[Recorded], told_already: str = "") -> None:
    """One line for each entry. `told_already` is what every subject begins with, where that needs no telling."""
    if not found:
        console.print("Nothing is recorded yet.")
        return
    rows = []
    for one in found:
        entry = one.entry
        place = f"{entry.stream} {entry.sequence}"
        what = entry.subject.removeprefix(told_already)
        cells = (str(entry.number), clock(entry.at_ns), entry.actor, what, place, entry.hash[:HASH_CHARACTERS])
        rows.append([Text(harmless(cell)) for cell in cells])
    console.print(Rows(("entry", "stored", "who", "what", "place", "hash"), rows, frozenset({"who", "what"})))


def print_report(console: Console, report: Report) -> None:
    """What was looked at, what is wrong, and what to know besides."""
    looked = (
        f"{counted(report.entries, 'entry', 'entries')} in {counted(report.records, 'record')}, "
        f"{report.compared:,} compared with what is stored, {counted(report.anchors, 'anchor')}"
    )
    console.print(Text(looked, style="dim"))
    for note in report.notes:
        console.print(Text.assemble(("note: ", "dim"), harmless(note)))
    for finding in report.findings:
        console.print(Text.assemble((f"{finding.kind}: ", "bold red"), harmless(finding.sentence)))
    if report.found > len(report.findings):
        console.print(Text(f"and {report.found - len(report.findings)} more", style="red"))
    if report.is_whole:
        console.print(Text(f"The audit trail is whole; its head is {report.head}.", style="green"))
    else:
        console.print(Text("The audit trail is not whole. See docs/how-to/check-the-audit-trail.md.", style="red"))
