"""How an evaluation looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.evaluation.spent_view import latency, print_spent, print_spent_changes
from opswire.cli.views.plain import counted, harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

CONFUSIONS_SHOWN = 10
MISSES_SHOWN = 20
QUERY_CHARACTERS_SHOWN = 100

_HEADLINE = {
    "strict_accuracy": "intent, strict",
    "lenient_accuracy": "intent, lenient",
    "macro_f1": "intent, macro-F1",
    "entity_precision": "entities, precision",
    "entity_recall": "entities, recall",
    "risk_accuracy": "risk",
    "under_risk_rate": "under-risk",
    "calibration_error": "calibration error",
}
_LOWER_IS_BETTER = {"under_risk_rate", "calibration_error"}


def print_report(console: Console, found: dict[str, Any]) -> None:
    """The figures, what it took, what was taken for what, and the requests that were read wrongly."""
    _print_head(console, found)
    _print_headline(console, found)
    answered = found["answered"]
    console.print(
        f"at confidence {answered['threshold']:.2f}: {answered['n']} answered ({answered['coverage']:.1%}), of them "
        f"strict {answered['strict_accuracy']:.1%}, lenient {answered['lenient_accuracy']:.1%}, "
        f"under-risk {answered['under_risk_count']}"
    )
    waits = ", waiting for its batch included" if found.get("lane", "calls") != "calls" else ""
    console.print(f"one request takes {latency(found['latency_ms'])}{waits}")
    print_spent(console, found)
    _print_confusions(console, found["confusions"])
    _print_misses(console, found["requests"])
    if "comparison" in found:
        _print_changes(console, found["comparison"])
        print_spent_changes(console, found["comparison"])


def _print_head(console: Console, found: dict[str, Any]) -> None:
    head = f"{counted(found['n'], 'request')} of {harmless(found['set'])}, {found['tier']} tier"
    made_with = [] if found["classifier_digest"] is None else [f"classifier {found['classifier_digest'][:12]}"]
    if found["model"] is not None:
        model = found["model"]
        made_with += [f"prompts {found['prompts']}", f"model {model['model']} at {model['base_url']}", found["lane"]]
    console.print(Text.assemble((head, "bold"), (harmless("".join(f", {each}" for each in made_with)), "dim")))


def _print_headline(console: Console, found: dict[str, Any]) -> None:
    compared = found.get("comparison", {}).get("figures", {})
    table = Table(box=None, pad_edge=False, show_header=bool(compared))
    table.add_column("")
    for column in ("now", *(("before", "change") if compared else ())):
        table.add_column(column, justify="right")
    for name, label in _HEADLINE.items():
        note = f" ({found['under_risk_count']} of {found['n']})" if name == "under_risk_rate" else ""
        row = [Text(label + note), Text(f"{found[name]:.1%}")]
        if name in compared:
            row += [Text(f"{compared[name]['before']:.1%}"), _change(name, compared[name]["change"])]
        table.add_row(*row)
    console.print(table)


def _change(name: str, change: float) -> Text:
    if abs(change) < 0.0005:
        return Text("=", style="dim")
    return Text(f"{change:+.1%}", style="green" if (change > 0) != (name in _LOWER_IS_BETTER) else "red")


def _print_confusions(console: Console, confusions: list[dict[str, Any]]) -> None:
    if not confusions:
        return
    console.print(Text("\nexpected, and read instead:", style="bold"))
    for row in confusions[:CONFUSIONS_SHOWN]:
        accepted = f", accepted {row['accepted']}" if row["accepted"] else ""
        console.print(f"  {row['n']:3} {row['expected']} -> {row['read']}{accepted}", markup=False)


def _print_misses(console: Console, requests: list[dict[str, Any]]) -> None:
    missed = [row for row in requests if not row["lenient"] or row["under_risk"]]
    if not missed:
        return
    console.print(Text("\nread wrongly, or with too low a risk:", style="bold"))
    for row in sorted(missed, key=lambda row: -row["confidence"])[:MISSES_SHOWN]:
        risk = f", risk {row['risk']} for {row['expected_risk']}" if row["under_risk"] else ""
        taken = row["intent"] or harmless(str(row.get("failure")))
        read = f"  {row['confidence']:.2f} {taken} for {row['expected_intent']}{risk}: "
        console.print(Text.assemble(read, (_short(row["query"]), "dim")))
    if len(missed) > MISSES_SHOWN:
        console.print(Text(f"  and {len(missed) - MISSES_SHOWN} more: --json lists all", style="dim"))


def _print_changes(console: Console, comparison: dict[str, Any]) -> None:
    gained, lost = comparison["gained"], comparison["lost"]
    console.print(Text("\nsince the other run:", style="bold"))
    if not comparison["same_requests"]:
        both = f"{comparison['n_shared']} requests are in both"
        console.print(Text(f"  the sets differ: {both}, the other run had {comparison['n_before']}", style="yellow"))
    console.print(
        f"  {len(gained)} became right, {len(lost)} became wrong (leniently); "
        f"by chance alone with probability {comparison['chance']:.2f}"
    )
    for mark, queries in (("+", gained), ("-", lost)):
        for query in queries[:MISSES_SHOWN]:
            console.print(Text(f"  {mark} {_short(query)}"))


def _short(query: str) -> str:
    line = harmless(" ".join(query.split()))
    return line if len(line) <= QUERY_CHARACTERS_SHOWN else f"{line[: QUERY_CHARACTERS_SHOWN - 1]}…"
