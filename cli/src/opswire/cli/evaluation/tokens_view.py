"""How the cost of the prompts looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_PARTS = {
    "stable": "stable part",
    "tools": "tools of the catalogue",
    "frame": "frame",
    "assets": "assets",
    "changes": "changes",
    "follow_ups": "follow-ups",
    "outputs": "outputs of tools",
    "intent": "intent found",
    "request": "request",
    "chat_template": "chat template",
}


def print_tokens(console: Console, found: dict[str, Any]) -> None:
    """Each prompt part by part, the sets beside each other, caching by provider, and the server's own count."""
    requests = found["requests"]
    console.print(
        Text(f"Tokens of one request, mean of {requests['n']} ({requests['set']}), by {found['tokenizer']}", "bold")
    )
    for prompts in found["prompts"]:
        _print_set(console, prompts)
    _print_sums(console, found["prompts"])
    if found["others"]:
        console.print(Text("\nthe executor's, filled with an example:", "bold"))
    for prompts in found["others"]:
        _print_set(console, prompts)
    _print_caching(console, [*found["prompts"], *found["others"]])
    _print_server(console, found["server"], found["tokenizer"])


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _print_set(console: Console, prompts: dict[str, Any]) -> None:
    console.print(Text(f"\n{prompts['name']} {prompts['version']}", "bold"), Text(f"({prompts['key']})", "dim"))
    steps = prompts["steps"]
    table = _table("tokens", *(step["name"] for step in steps))
    for part, label in _PARTS.items():
        told = [step["parts"].get(part, {}) for step in steps]
        if any(each.get("tokens") for each in told):
            table.add_row(f"  {label}", *(f"{each.get('tokens', 0):.1f}" for each in told))
    table.add_row("  prompt", *(Text(f"{step['prompt_tokens']:.1f}", "bold") for step in steps))
    table.add_row("  the same for every request", *(str(step["repeated_tokens"]) for step in steps))
    table.add_row("  schema, beside the prompt", *(f"{step['schema']['tokens']:.0f}" for step in steps))
    table.add_row("  reply, at most", *(str(step["output_tokens_max"]) for step in steps))
    table.add_row("characters", *("" for _ in steps))
    for part, label in _PARTS.items():
        told = [step["parts"].get(part, {}) for step in steps]
        if any(each.get("characters") for each in told):
            table.add_row(f"  {label}", *(f"{each.get('characters', 0):.0f}" for each in told))
    table.add_row("  prompt", *(f"{step['prompt_characters']:.0f}" for step in steps))
    console.print(table)


def _print_sums(console: Console, sets: list[dict[str, Any]]) -> None:
    console.print(Text("\nsummed over the calls of one request, and saved against baseline:", "bold"))
    table = _table("", "calls", "tokens", "saved", "characters", "saved")
    for prompts in sets:
        saving = prompts["saving"]
        table.add_row(
            f"{prompts['name']} {prompts['version']}",
            str(prompts["calls"]),
            f"{prompts['prompt_tokens']:.1f}",
            f"{saving['prompt_tokens']:.1%}",
            f"{prompts['prompt_characters']:.0f}",
            f"{saving['prompt_characters']:.1%}",
        )
    console.print(table)


def _print_caching(console: Console, sets: list[dict[str, Any]]) -> None:
    """A provider's minimum against what is the same in every request; `-` where nothing is kept."""
    console.print(Text("\ntokens of one request that prompt caching keeps, at best:", "bold"))
    table = _table("", "caching", "minimum", *(prompts["name"].rpartition(".")[2] for prompts in sets))
    for rows in zip(*(prompts["caching"] for prompts in sets), strict=True):
        least = "" if rows[0]["caching"] == "none" else str(rows[0]["tokens_min"] or "unknown")
        kept = (f"{row['kept_tokens']} ({row['kept_share']:.0%})" if row["kept_tokens"] else "-" for row in rows)
        table.add_row(harmless(rows[0]["title"]), rows[0]["caching"], least, *kept)
    console.print(table)
    note = "A prefix below the minimum is never kept. Other providers' models count a little differently."
    console.print(Text(note, "dim"))


def _print_server(console: Console, server: dict[str, Any] | None, ours: str) -> None:
    if server is None:
        console.print(Text("\nNo model server is configured; with a vLLM its own count would stand here.", "dim"))
        return
    name = harmless(f"{server.get('model', '')} at {server.get('base_url', '')}") if "base_url" in server else ""
    if "error" in server:
        console.print(Text(f"\nThe configured server {name} did not count: {harmless(server['error'])}", "yellow"))
        return
    console.print(Text(f"\nthe count of {name} itself, on {server['requests']} of the requests:", "bold"))
    table = _table("", "its count", f"by {ours}")
    for prompts, counts in server["prompts"].items():
        table.add_row(prompts, f"{counts['its_tokens']:.1f}", f"{counts['our_tokens']:.1f}")
    console.print(table)
