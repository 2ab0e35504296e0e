"""How the doctor's findings look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opswire.cli.checks import Finding
from opswire.cli.views.plain import harmless
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {"ok": ("ok   ", "green"), "note": ("note ", "yellow"), "wrong": ("WRONG", "bold red")}


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """One line a finding, and under it what to do where something is."""
    for finding in findings:
        console.print(Text.assemble(_MARKS[finding.verdict], f" {finding.check:<11}", harmless(finding.detail)))
        if finding.advice:
            console.print(Text(f"        {finding.advice}", style="dim"))
