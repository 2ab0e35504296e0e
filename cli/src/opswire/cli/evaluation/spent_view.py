"""How it looks what an evaluation took: failures, who answered, calls, tokens, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_SPENT = {
    "calls": "calls",
    "prompt_tokens": "prompt tokens",
    "cached_tokens": "of them cached",
    "output_tokens": "output tokens",
    "cost_usd": "US dollars",
}
_LOWER_IS_BETTER = frozenset(_SPENT) - {"cached_tokens"}


def latency(found: dict[str, float]) -> str:
    """Percentiles in one line."""
    return f"p50 {found['p50']:.2f} ms, p95 {found['p95']:.2f} ms, p99 {found['p99']:.2f} ms"


def print_spent(console: Console, found: dict[str, Any]) -> None:
    """Nothing where every request was read locally and none failed."""
    _print_failures(console, found["failures"])
    usage = found["usage"]
    if not usage["calls"]:
        return
    _print_sources(console, found)
    table = Table(box=None, pad_edge=False)
    for column in ("model calls and tokens", "in all", "per request"):
        table.add_column(column, justify="left" if column.startswith("model") else "right")
    for name, label in _SPENT.items():
        table.add_row(label, _figure(name, usage[name]), _figure(name, usage["per_request"][name], is_mean=True))
    console.print(table)
    saved = found.get("saved") or {}
    for name, label in (("by_cache_usd", "prompt caching"), ("by_batch_usd", "batches")):
        if saved.get(name):
            console.print(f"saved by {label}: {saved[name]:.6f} US dollars")
    unused = found["unused_tokens"]
    if unused["prompt"] or unused["output"]:
        console.print(
            Text(f"and {unused['prompt']} prompt and {unused['output']} output tokens of unusable replies", "yellow")
        )


def print_spent_changes(console: Console, comparison: dict[str, Any]) -> None:
    """Calls, tokens and cost of one request before and now."""
    usage = comparison["usage"]
    if not any(row["before"] or row["now"] for row in usage.values()):
        return
    table = Table(box=None, pad_edge=False)
    for column in ("per request", "now", "before", "change"):
        table.add_column(column, justify="left" if column == "per request" else "right")
    for name, label in _SPENT.items():
        row = usage[name]
        shown = (_figure(name, row[when], is_mean=True) for when in ("now", "before"))
        table.add_row(label, *shown, _change(name, row["change"]))
    console.print(table)


def _print_failures(console: Console, failures: dict[str, Any]) -> None:
    if not failures["n"]:
        return
    console.print(Text(f"{failures['n']} requests ({failures['rate']:.1%}) got no intent and count as wrong:", "red"))
    for code, count in failures["by_code"].items():
        console.print(Text(f"  {count} {harmless(code)}, such as: {harmless(failures['examples'][code])}"))


def _print_sources(console: Console, found: dict[str, Any]) -> None:
    if len(found["sources"]) < 2 and found["tier"] != "cascade":
        return
    for name, source in found["sources"].items():
        accuracy = f"strict {source['strict_accuracy']:.1%}, lenient {source['lenient_accuracy']:.1%}"
        console.print(f"answered by {name}: {source['n']} ({accuracy}), {latency(source['latency_ms'])}")


def _figure(name: str, value: float | None, is_mean: bool = False) -> str:
    if value is None:
        return "unknown"
    if name == "cost_usd":
        return f"{value:.6f}"
    return f"{value:.1f}" if is_mean else f"{value:.0f}"


def _change(name: str, change: float | None) -> Text:
    if change is None:
        return Text("")
    if abs(change) < 0.0005:
        return Text("=", style="dim")
    return Text(f"{change:+.1%}", style="green" if (change < 0) == (name in _LOWER_IS_BETTER) else "red")
