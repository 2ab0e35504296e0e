"""How assets look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import counted, harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_MAX = 50
_TOLD_LATER_MIN = 1_000
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


def print_deleted(console: Console, gone: dict[str, Any]) -> None:
    """What was deleted, so that it can be entered again."""
    console.print(Text(f"deleted {_cell(gone.get('name'))}; it was:"))
    print_asset(console, gone)


def print_import(console: Console, report: dict[str, Any]) -> None:
    """What was done, and each line of the file that was refused or changed."""
    counts = " · ".join(f"{report.get(key, 0):,} {key}" for key in ("created", "updated", "unchanged"))
    refused = _total(report, "rejected")
    console.print(Text(f"{counts} · {counted(refused, 'line')} refused"))
    _print_lines(console, report)
    if report.get("created", 0) + report.get("updated", 0) > _TOLD_LATER_MIN:
        later = "the caches forgot everything; who keeps names of its own hears of each change in the next minutes"
        console.print(Text(later, style="dim"))


def print_difference(console: Console, found: dict[str, Any]) -> None:
    """What an import would do; the first lines of each kind."""
    counts = {key: found[f"{key}_total"] for key in ("added", "changed", "gone")}
    counts = {"added": counts["added"], "changed": counts["changed"], "unchanged": found["unchanged"]} | counts
    console.print(Text(" · ".join(f"{count:,} {key}" for key, count in counts.items())))
    for name in found["added"][:_SHOWN_MAX]:
        console.print(Text(f"  + {_cell(name)}", style="green"))
    for one in found["changed"][:_SHOWN_MAX]:
        console.print(Text(f"  ~ {_cell(one['name'])}", style="yellow"))
        for change in one["fields"]:
            before, after = _cell(change["before"]) or "nothing", _cell(change["after"]) or "nothing"
            console.print(Text(f"      {_cell(change['field'])}: {before} -> {after}"))
    for name in found["gone"][:_SHOWN_MAX]:
        console.print(Text(f"  - {_cell(name)} (not in the file; an import leaves it)", style="red"))
    left = sum(max(0, counts[key] - _SHOWN_MAX) for key in ("added", "changed", "gone"))
    if left:
        console.print(Text(f"  and {left:,} more; --json shows up to 1,000 of each", style="dim"))
    _print_lines(console, found)


@contextmanager
def import_progress(console: Console, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere; gives what takes `done` and `total`."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("importing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _total(report: dict[str, Any], kind: str) -> int:
    return int(report.get(f"{kind}_total", len(report.get(kind) or [])))


def _print_lines(console: Console, report: dict[str, Any]) -> None:
    for key, kind in (("rejected", "refused"), ("notes", "note")):
        lines = report.get(key) or []
        for one in lines[:_SHOWN_MAX]:
            style = "yellow" if kind == "refused" else "dim"
            console.print(Text(f"  line {one.get('line')}: {kind}: {harmless(str(one.get('text')))}", style=style))
        if (left := _total(report, key) - len(lines[:_SHOWN_MAX])) > 0:
            console.print(Text(f"  and {left:,} more of these", style="dim"))
