"""How the caches look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import counted, harmless
from opswire.cli.views.rows import Rows
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"serving": "green", "fenced": "yellow", "silent": "red"}


def print_statistics(console: Console, found: dict[str, Any]) -> None:
    """A line a cache, a line a process."""
    table = Table(box=None, pad_edge=False)
    for column in ("cache", "hit rate", "memory", "shared", "joined", "misses", "bypassed", "stale", "entries", "size"):
        table.add_column(column, justify="left" if column == "cache" else "right", no_wrap=True)
    for cache in found["caches"]:
        counts = cache["counts"]
        name = Text(harmless(cache["name"]), style="" if cache["is_on"] else "red")
        cells = [
            counts["memory_hits"],
            counts["shared_hits"],
            counts["coalesced"],
            counts["misses"],
            counts["bypasses"],
        ]
        cells += [counts["stale_memory"] + counts["stale_shared"], cache["entries"]]
        rate, size = _share(counts["hit_rate"]), _size(cache["bytes"])
        table.add_row(name, rate, *(f"{cell:,}" for cell in cells), size)
    _print_whole(console, table, "No process has spoken of a cache within the last minute.")
    for cache in found["caches"]:
        if not cache["is_on"]:
            console.print(Text(f"{harmless(cache['name'])} is off: {harmless(cache['off_reason'])}", style="red"))
    for holder in found["holders"]:
        line = Text.assemble(
            (f"{holder['state']:8}", _STYLES.get(holder["state"], "")),
            f" {harmless(holder['holder_id'])} ({harmless(holder['service'])})",
            (f" · applied {holder['applied']:,} · heard {holder['heard_s_ago']:.1f} s ago", "dim"),
        )
        console.print(line)


def print_keys(console: Console, found: dict[str, Any]) -> None:
    """A line a key."""
    rows = []
    for key in found["keys"]:
        cells = [key["cache"], key["holder_id"], str(key["hits"]), f"{key['age_s']:.0f} s", _size(key["bytes"])]
        rows.append([Text(harmless(cell)) for cell in (*cells, key["key"], ", ".join(key["tags"]))])
    columns = ("cache", "process", "hits", "age", "size", "key", "tags")
    right, below = frozenset({"hits", "age", "size"}), frozenset({"key", "tags"})
    console.print(Rows(columns, rows, below, right) if rows else "No key in memory matches.")
    if found["is_cut"]:
        console.print(Text("There are more: raise --limit, or name a --tag or --cache.", style="dim"))
    for holder in found["silent"]:
        console.print(Text(f"{harmless(holder)} did not answer within a second.", style="yellow"))


def print_invalidation(console: Console, found: dict[str, Any]) -> None:
    """One sentence, and who did not answer."""
    count = len(found["holders"])
    told = f"{counted(count, 'process', 'processes')}" if found["by"] == "holders" else "the end of the read lease"
    console.print(Text(f"No process serves it any longer: known from {told} after {found['took_ms']:.1f} ms."))
    console.print(Text(f"tags: {harmless(', '.join(found['tags']))}", style="dim"))
    for holder in found["late"]:
        name = f"{harmless(holder['holder_id'])} ({harmless(holder['service'])})"
        after = f"it is fenced: it serves nothing from memory since {found['fenced_after_ms']:.0f} ms after"
        console.print(Text(f"{name} did not answer; {after}.", style="yellow"))
    if found["note"]:
        console.print(Text(f"note: {found['note']}", style="yellow"))


def print_warming(console: Console, found: dict[str, Any]) -> None:
    """How far it is."""
    failed = f" · {found['failed']:,} did not complete" if found["failed"] else ""
    console.print(Text(f"{found['state']}: {found['done']:,} of {counted(found['total'], 'request')}{failed}"))
    if found["last_error"]:
        console.print(Text(harmless(found["last_error"]), style="yellow"))


def print_canary(console: Console, found: dict[str, Any]) -> None:
    """How stale answers were, at worst."""
    if not found["rounds"]:
        console.print("The canary is on and has no round behind it yet.")
    else:
        times = f"median {_ms(found['median_s'])}, p99 {_ms(found['p99_s'])}, last {_ms(found['last_s'])}"
        rounds = counted(found["rounds"], "round")
        console.print(Text(f"{rounds} in the last day: {times} until nobody served the old value."))
    stale = found["stale_reads"]
    reads = counted(stale, "read")
    verdict = f"{reads} answered the old value after the acknowledgement." if stale else "No stale read."
    console.print(Text(verdict, style="bold red" if stale else "green"))
    if found["failed"]:
        error = f": {harmless(found['last_error'])}" if found["last_error"] else ""
        console.print(Text(f"{counted(found['failed'], 'round')} failed{error}", style="yellow"))


def _print_whole(console: Console, table: Table, otherwise: str) -> None:
    """The table with nothing cut: half a figure means nothing. A narrow terminal folds the lines."""
    if not table.row_count:
        console.print(otherwise)
        return
    widths = [max(len(str(cell)) for cell in (column.header, *column.cells)) for column in table.columns]
    console.width = max(console.width, sum(widths) + 2 * len(widths))
    console.print(table)


def _share(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1_000:.1f} ms"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1_000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:.1f} GB"
