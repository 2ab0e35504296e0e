"""How parked messages look. Their bytes come from anywhere: nothing of them is taken for markup or terminal control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opswire.cli.facts import clock
from opswire.cli.parking import Parked
from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

BODY_CHARACTERS_MAX = 4_000


def print_list(console: Console, found: list[tuple[Parked, str | None]], total: int) -> None:
    """One line for each record."""
    if not found:
        console.print("Nothing is parked.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("id", "parked", "service", "code", "subject", "driven again as"):
        table.add_column(title, overflow="fold")
    for record, again in found:
        message = record.message
        cells = (
            message.parked_id,
            clock(message.parked_ns),
            message.service,
            message.code,
            message.subject,
            again or "",
        )
        table.add_row(*(Text(harmless(cell)) for cell in cells))
    console.print(table)
    if total > len(found):
        console.print(Text(f"the newest {len(found)} of {total}; --limit shows more", style="dim"))


def print_one(console: Console, record: Parked, again: str | None) -> None:
    """Everything that is known of one record."""
    message = record.message
    for name, value in (
        ("id", message.parked_id),
        ("why", f"{message.code}: {message.detail}"),
        ("parked", f"{clock(message.parked_ns)} by {message.service}, after {message.delivery_attempts} deliveries"),
        ("message", f"{message.subject} ({message.stream} {message.stream_sequence}, consumer {message.consumer})"),
        ("driven again as", again or "not yet"),
        *((f"header {name}", value) for name, value in message.headers.items()),
    ):
        console.print(Text.assemble((f"{name}: ", "dim"), harmless(value)))
    body = record.body
    console.print(Text(f"{len(body)} bytes:", style="dim"))
    console.print(Text(harmless(body.decode(errors="backslashreplace")[:BODY_CHARACTERS_MAX])))
