"""How the tool catalogue looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opswire.cli.views.plain import counted
from opswire.cli.views.visible import visible
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {"none": "dim", "read": "green", "write": "yellow", "destroy": "bold red"}
_LIMITS = ("enum", "pattern", "min", "max")


def print_tools(console: Console, found: dict[str, Any]) -> None:
    """A line for each tool."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("TOOL", "EFFECT", "RISK", "DOES"):
        table.add_column(column, overflow="fold")
    for tool in found["tools"]:
        effect = Text(tool["effect"], COLOURS.get(tool["effect"], ""))
        table.add_row(visible(tool["name"]), effect, tool["risk"], visible(tool["does"]))
    console.print(table)
    console.print(Text(f"{counted(len(found['tools']), 'tool')}.", "dim"))


def print_tool(console: Console, found: dict[str, Any]) -> None:
    """What an entry says, line by line."""
    console.print(Text(found["name"], "bold").append("  ").append(found["effect"], COLOURS.get(found["effect"], "")))
    told = {
        "does": found["does"],
        "risk": found["risk"],
        "driver": json.dumps(found["driver"], ensure_ascii=False),
        "time limit": f"{found['timeout_ms'] / 1_000:g} s",
        "kept": f"{found['caching']['ttl_s']:g} s: {found['caching']['reason']}",
        "verified by": _call(found.get("verification")) or found.get("unverified", ""),
        "undone by": _call(found.get("reverse")) or found.get("irreversible", ""),
        "intents": ", ".join(found["intents"]),
        "asset types": ", ".join(found["asset_types"]) or "any, or none",
        "file": found["file"],
    }
    for name, value in told.items():
        if value:
            console.print(Text(f"  {name:12}", "dim").append_text(visible(value)))
    for name, parameter in found["parameters"].items():
        limits = ", ".join(f"{key} {parameter[key]}" for key in _LIMITS if parameter.get(key) is not None)
        kind = parameter["type"] + (f" ({limits})" if limits else "") + ("" if parameter["required"] else ", optional")
        console.print(Text(f"  {name} ", "bold").append_text(visible(f"{kind}: {parameter['describes']}")))


def print_check(console: Console, found: dict[str, Any]) -> None:
    """Each fault in a line of its own, or that there is none."""
    for fault in found["faults"]:
        console.print(Text("fault: ", "bold red").append_text(visible(fault)))
    if not found["faults"]:
        console.print(Text(f"The catalogue holds; {counted(found['tools'], 'tool')}.", "green"))


def print_offered(console: Console, found: dict[str, Any]) -> None:
    """A line for each tool of a server; those that the catalogue does not hold are marked."""
    for name in found["offered"]:
        mark = Text("  no entry: cannot be called", "yellow") if name in found["undeclared"] else Text("")
        console.print(visible(name).append_text(mark))
    console.print(Text(f"{len(found['offered'])} offered, {len(found['undeclared'])} without an entry.", "dim"))


def print_rehearsal(console: Console, found: dict[str, Any]) -> None:
    """What would be sent, by what it would be seen, and what would undo it."""
    effect = Text(found["effect"], COLOURS.get(found["effect"], ""))
    console.print(Text(f"{found['tool']}  ", "bold").append_text(effect).append(f"  risk {found['risk']}"))
    told = {
        "sends": found["sends"],
        "verified by": _call(found["verification"]) or found["unverified"] or "",
        "undone by": _call(found["reverse"]) or found["irreversible"] or "",
    }
    for name, value in told.items():
        if value:
            console.print(Text(f"  {name:12}", "dim").append_text(visible(value)))
    console.print(Text("Nothing was run.", "dim"))


def _call(call: dict[str, Any] | None) -> str:
    if call is None:
        return ""
    shown = ", ".join(f"{name}={value}" for name, value in call["arguments"].items())
    return f"{call['tool']}({shown})"
