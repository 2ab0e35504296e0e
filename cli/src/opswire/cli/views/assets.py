"""How assets look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("name", "type", "environment", "address", "parent", "owner", "site")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return harmless(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def print_assets(console: Console, found: dict[str, Any]) -> None:
    """One line an asset; columns that are empty everywhere are left out."""
    assets = found.get("assets") or []
    if not assets:
        console.print("No asset matches.")
        return
    columns = [column for column in _COLUMNS if any(asset.get(column) for asset in assets)]
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=len(column))
    for asset in assets:
        table.add_row(*(Text(_cell(asset.get(column))) for column in columns))
    console.print(table)
    console.print(Text(f"{len(assets)} of {found.get('total', len(assets))}", style="dim"))


def print_asset(console: Console, asset: dict[str, Any]) -> None:
    """One line a field; attributes last."""
    for key, value in asset.items():
        if key not in {"attributes", "outbox_id"} and value not in (None, [], ""):
            console.print(Text.assemble((f"{key}: ", "dim"), _cell(value)))
    for key, value in sorted((asset.get("attributes") or {}).items()):
        console.print(Text.assemble((f"attributes.{harmless(key)}: ", "dim"), _cell(value)))


def print_import(console: Console, report: dict[str, Any]) -> None:
    """What was done, and each line of the file that was refused or changed."""
    rejected, notes = report.get("rejected") or [], report.get("notes") or []
    counts = " · ".join(f"{report.get(key, 0)} {key}" for key in ("created", "updated", "unchanged"))
    console.print(Text(f"{counts} · {len(rejected)} lines refused"))
    for kind, lines in (("refused", rejected), ("note", notes)):
        for one in lines:
            style = "yellow" if kind == "refused" else "dim"
            console.print(Text(f"  line {one.get('line')}: {kind}: {harmless(str(one.get('text')))}", style=style))
