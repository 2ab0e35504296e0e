"""How model servers look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.views.outcome import fitting
from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console


def print_chain(console: Console, found: dict[str, Any]) -> None:
    """The endpoints in their order, each setting with where it comes from."""
    if not found["chain"]:
        console.print(Text(f"{found['service']}: no model server is configured; only the local classifier is used"))
        console.print(Text.assemble(("  try: ", "dim"), "opswire inference use ollama"))
        return
    console.print(Text.assemble(f"{found['service']} asks, in this order ", (f"({found['chosen_by']})", "dim")))
    for number, one in enumerate(found["chain"], 1):
        console.print(Text.assemble(f"{number}. ", (harmless(one["endpoint"]), "bold"), f"  {_abilities(one)}"))
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, setting in one["settings"].items():
            value = "-" if setting["value"] is None else harmless(str(setting["value"]))
            table.add_row(Text(f"   {name}", style="dim"), Text(value), Text(harmless(setting["from"]), style="dim"))
        console.print(table)
    if found["ignored"]:
        console.print(Text(f"set and without effect: {harmless(', '.join(found['ignored']))}", style="yellow"))
    if not found["file_exists"]:
        console.print(
            Text(f"there is no file {harmless(found['file'])}; `opswire inference use` makes it", style="dim")
        )


def _abilities(one: dict[str, Any]) -> str:
    known = one["capabilities"]
    if not known["as_of"]:
        return "not known to the registry: plain calls, replies are checked"
    least = f" from {known['cache_tokens_min']} tokens" if known["cache_tokens_min"] else ""
    words = [f"schema {known['structured_output']}", f"batch {known['batch']}"]
    words.append(f"caching {known['prompt_caching']}{least}")
    words += ["lanes by priority"] if known["takes_priority"] else []
    return " · ".join(words)


def print_switch(console: Console, found: dict[str, Any]) -> None:
    """What is asked from now on."""
    who = found["service"] or "every service without a chain of its own"
    own = "what LLM_* of its process names, if anything"
    placed = {"first": [own, *found["chain"]], "last": [*found["chain"], own], "ignore": found["chain"]}
    console.print(Text(f"{who} asks {harmless(', then '.join(placed[found['environment']]))}"))
    console.print(Text(f"written to {harmless(found['file'])}; running services follow within a second", style="dim"))
    if found["warning"]:
        console.print(Text(f"warning: {harmless(found['warning'])}", style="yellow"))


def print_providers(console: Console, rows: list[dict[str, Any]]) -> None:
    """One line a provider."""
    titles = ("provider", "schema", "batch", "saves", "caching", "from tokens", "as of", "key from")
    lines = []
    for row in rows:
        saves = "" if row["batch_discount"] is None else f"{row['batch_discount']:.0%}"
        cells = (row["provider"], row["structured_output"], row["batch"], saves, row["prompt_caching"])
        least = "" if row["cache_tokens_min"] is None else str(row["cache_tokens_min"])
        lines.append([*map(str, (*cells, least, row["as_of"], row["key_variable"] or ""))])
    widths = [max(len(title), *(len(line[place]) for line in lines)) for place, title in enumerate(titles)]
    shown = fitting([True] * len(titles), widths, console.width)
    table = Table(box=None, pad_edge=False)
    for place in shown:
        table.add_column(titles[place], no_wrap=True)
    for line in lines:
        table.add_row(*(Text(line[place]) for place in shown))
    console.print(table)
    left_out = f"; not shown for want of room: {', '.join(titles[len(shown) :])}" if len(shown) < len(titles) else ""
    console.print(Text(f"opswire inference providers NAME: notes and sources{left_out}", style="dim"))


def print_provider(console: Console, row: dict[str, Any]) -> None:
    """Everything known of one."""
    for name, value in row.items():
        if value in (None, "", (), []) or name in {"sources", "prices"}:
            continue
        console.print(Text.assemble((f"{name}: ", "dim"), str(value)))
    for price in row["prices"]:
        figures = f"{price['input_usd']:g} in, {price['output_usd']:g} out"
        console.print(Text.assemble(("price: ", "dim"), f"{price['model']} {figures} USD a million tokens"))
        console.print(Text(f"       {price['source']}, {price['as_of']}", style="dim"))
    for source in row["sources"]:
        console.print(Text.assemble(("source: ", "dim"), source))


def print_checks(console: Console, found: dict[str, Any]) -> None:
    """One line an endpoint, and what to do where it fails."""
    for one in found["endpoints"]:
        mark = ("well  ", "green") if one["ok"] else ("wrong ", "bold red")
        took = "" if one["latency_ms"] is None else f"  answered in {one['latency_ms']:g} ms"
        schema = f", a schema {one['schema']}" if one["schema"] == "binds" else ""
        where = f"{one['endpoint']}  {one['provider']} {one['model']} at {one['base_url']}"
        console.print(Text.assemble(mark, harmless(where), (f"{took}{schema}", "dim")))
        if not one["ok"]:
            console.print(Text(f"      {harmless(one['problem'])}"))
            console.print(Text.assemble(("      try: ", "dim"), harmless(one["advice"])))
