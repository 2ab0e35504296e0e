"""How a plan looks to whoever must approve it: every step, every argument, nothing left out and nothing hidden."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opswire.cli.approvals import Asked
from opswire.cli.views.plain import counted
from opswire.cli.views.visible import visible
from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.plan_made import Call, Step
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

MARGIN = "        | "
LISTED_CHARACTERS_MAX = 80
_RISKS = {"LOW": "", "MEDIUM": "yellow", "HIGH": "bold yellow", "CRITICAL": "bold red"}
_EFFECTS = {"write": "bold yellow", "destroy": "bold red"}


def left(until_ns: int, now_ns: int) -> str:
    """How long that is from now: `3 h 12 min`, `4 min 9 s`, `over`."""
    seconds = (until_ns - now_ns) // 1_000_000_000
    if seconds <= 0:
        return "over"
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def print_list(console: Console, found: Sequence[Asked], now_ns: int) -> None:
    """Two lines for each, the name alone in its place so that it can be copied from the narrowest terminal."""
    if not found:
        console.print("Nothing waits for approval.")
        return
    for asked in found:
        console.print(line(asked, now_ns))
    waiting = next((asked for asked in found if asked.state(now_ns) == "waiting"), None)
    if waiting is not None:
        console.print(Text(f"look: opswire approvals show {waiting.key}", style="dim"))


def line(asked: Asked, now_ns: int) -> Text:
    """What a round is about, in two lines: its name, how it stands, who asks for what."""
    request = asked.request
    changes = sum(step.effect.value in _EFFECTS for step in request.plan.steps)
    state = asked.state(now_ns)
    told = Text.assemble((asked.key, "bold"), "  ", (state, "bold yellow" if state == "waiting" else ""))
    if state == "waiting":
        told.append(f", {left(request.expires_ns, now_ns)} left")
    told.append(f"; needs {request.people_needed} {request.role}, {len(asked.given)} signed so far")
    told.append(f"; {counted(len(request.plan.steps), 'step')}, {counted(changes, 'change')}\n    ")
    told.append_text(visible(f"{request.requester.id} ({request.requester.kind.value})")).append(": ")
    return told.append_text(visible(request.text[:LISTED_CHARACTERS_MAX].replace("\n", " ")))


def print_asked(console: Console, asked: Asked, now_ns: int) -> None:
    """Everything that is asked: who, why, on what, and each step whole."""
    request = asked.request
    console.print(Text.assemble((f"{asked.key} ", "bold"), (asked.state(now_ns), "bold yellow")))
    _field(console, "asked by", visible(f"{request.requester.id} ({request.requester.kind.value}) at {asked.source}"))
    _field(console, "in words", visible(request.text, margin=MARGIN))
    _field(console, "intent", Text(request.plan.intent.value))
    _field(
        console, "needs", Text(f"{request.people_needed} of the role {request.role}; {len(asked.given)} signed so far")
    )
    for reason in request.reasons:
        _field(console, "why", visible(reason, margin=MARGIN))
    if asked.state(now_ns) == "waiting":
        remaining = f"{left(request.expires_ns, now_ns)} to decide; {left(request.deadline_ns, now_ns)} for all of it"
        _field(console, "left", Text(remaining))
    elif asked.decided is not None and asked.decided.people:
        _field(console, f"{asked.decided.outcome} by", visible(", ".join(asked.decided.people)))
    _field(console, "targets", Text(str(len(request.targets))))
    names: dict[str, str] = {}
    for target in request.targets:
        names[target.asset_id] = target.name
        told = f"{target.name} ({target.type}, {target.environment}, criticality {target.criticality}) "
        told += f"at {target.address or 'no address'}, generation {target.generation}, id {target.asset_id}"
        console.print(Text("      - ").append_text(visible(told, margin=MARGIN)))
    steps = request.plan.steps
    for step in steps:
        _print_step(console, step, len(steps), names)
    odd = asked.odd()
    if odd:
        count = len({one for found in odd.values() for one in found})
        console.print(Text(f"Look closely: {count} characters that hide or look like others, in:", style="bold red"))
        for place, found in odd.items():
            console.print(Text(f"      - {place}: {', '.join(found)}", style="red"))
    what = "these steps" if asked.request.round == 1 else f"round {asked.request.round}"
    console.print(Text.assemble(f"digest of {what}: ", (asked.seen, "bold")))


def _print_step(console: Console, step: Step, total: int, names: dict[str, str]) -> None:
    title = Text(f"step {step.number} of {total}: ", "bold").append_text(visible(step.tool, "bold"))
    title.append("  ").append(step.effect.value, _EFFECTS.get(step.effect.value, ""))
    title.append(", risk ").append(step.risk.value, _RISKS[step.risk.value])
    console.print(title)
    on = "no asset" if step.asset_id is None else f"{names.get(step.asset_id, 'NO TARGET ABOVE')} (id {step.asset_id}"
    generation = "" if step.asset_id is None else f", generation {step.asset_generation})"
    _field(console, "on", visible(f"{on}{generation}"))
    _print_arguments(console, step.arguments)
    order = f"after {', '.join(map(str, step.after))}; " if step.after else ""
    _field(console, "then", Text(f"{order}at most {step.timeout_ms / 1_000:g} s; {step.on_failure} on failure"))
    for name, call in (("checked by", step.verification), ("undone by", step.reverse)):
        if call is not None:
            _print_call(console, name, call)
    if step.reverse is None and step.effect.value in _EFFECTS:
        _field(console, "undone by", Text("nothing that is known", "yellow"))


def _print_call(console: Console, name: str, call: Call) -> None:
    _field(console, name, visible(f"{call.tool}, at most {call.timeout_ms / 1_000:g} s"))
    _print_arguments(console, call.arguments)


def _print_arguments(console: Console, arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        # Texts as they are, so that nothing is hidden behind an escape; the rest as JSON.
        values = value if isinstance(value, list) else [value]
        for number, one in enumerate(values, 1):
            label = visible(f"{name}[{number}]" if isinstance(value, list) else name)
            told = visible(one, margin=MARGIN) if isinstance(one, str) else Text(json.dumps(one))
            console.print(Text("      ").append_text(label).append(" = ", "dim").append_text(told))
        if not values:
            console.print(Text("      ").append_text(visible(name)).append(" = []", "dim"))


def _field(console: Console, name: str, value: Text) -> None:
    console.print(Text(f"    {name}: ", "dim").append_text(value))


def print_said(
    console: Console, asked: Asked, decision: str, decided: ApprovalDecided | None, counts: dict[str, Any] | None
) -> None:
    """What one's word led to; where nothing is decided yet, what it is worth."""
    said = "Approved" if decision == "approve" else "Denied"
    signed = f"Your {'yes' if decision == 'approve' else 'no'} is signed and stored"
    if decided is not None:
        people = f" by {', '.join(decided.people)}" if decided.people else ""
        console.print(Text(f"{said}. The plan is {decided.outcome}{people}."))
    elif counts is not None and counts["person"] is None:
        told = Text(f"{signed}, and does not count by the people.yaml read here: ").append_text(
            visible(counts["sentence"])
        )
        console.print(told.append("."))
    else:
        more = " Another person must approve too." if asked.request.people_needed > 1 and decision == "approve" else ""
        console.print(Text(f"{signed}; nothing is decided yet.{more}"))
    console.print(Text(f"see: opswire show {asked.key}", style="dim"))
