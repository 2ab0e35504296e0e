"""How the facts of a request look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opswire.cli.bus import Stored
from opswire.cli.facts import body_of, clock, fact_name
from opswire.cli.parking import Parked
from opswire.cli.values import shown_key
from opswire.cli.views.plain import counted, harmless
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

CHARACTERS_MAX = 300


def print_facts(
    console: Console,
    source: str,
    request_id: str,
    facts: list[Stored],
    parked: list[Parked],
    signatures: Mapping[int, dict[str, Any]],
) -> None:
    """One row a fact: when, how long after the request was accepted, which, and what it says in short.

    `signatures`, by a fact's sequence, say whose it bears, or why it does not count.
    """
    first_ns = facts[0].at_ns
    console.print(Text.assemble(f"{source}/{request_id} ", (f"accepted {clock(first_ns)}", "dim")))
    table = Table(box=None, pad_edge=False)
    table.add_column("after", justify="right")
    table.add_column("fact")
    table.add_column("what it says", overflow="fold")
    for fact in facts:
        after = f"{(fact.at_ns - first_ns) / 1e6:.1f} ms"
        said = Text(harmless(_gist(fact_name(fact), body_of(fact))))
        if fact.sequence in signatures:
            said = _with_signature(said, signatures[fact.sequence])
        table.add_row(after, fact_name(fact), said)
    console.print(table)
    for record in parked:
        message = record.message
        console.print(Text(f"parked {message.parked_id}: {message.code} {harmless(message.detail)}", style="yellow"))
    key = shown_key(source, request_id)
    console.print(Text(f"all of it: opswire show {key} --json · its time: opswire trace {key}", style="dim"))


def _with_signature(said: Text, signature: dict[str, Any]) -> Text:
    """What somebody signed, marked where the signature settles nothing."""
    if signature["person"] is None:
        return Text.assemble((f"does not count, {harmless(signature['sentence'])}: ", "bold red"), said)
    return Text.assemble(said, (f" (signed by {harmless(signature['person'])})", "green"))


def _gist(name: str, body: Any) -> str:
    """The part of a fact that a person looks for first; the whole body where its form is not known."""
    try:
        match name:
            case "submitted":
                asked = body["text"] if "text" in body else f"event {body['event']['format']}"
                return _short(f"{body['requester']['id']}: {asked}")
            case "intent":
                intent = body["intent"]
                return f"{intent['name']} {intent['confidence']:.2f} by {intent['source']}, risk {intent['risk']}"
            case "context":
                names = ", ".join(asset["name"] for asset in body.get("assets", []))
                return _short(f"{counted(body['total'], 'asset')} {body['selection']}{f': {names}' if names else ''}")
            case "plan":
                return _short(", ".join(step["tool"] for step in body["steps"]) or "no steps")
            case "cancel":
                return _short(f"asked to cancel: {body.get('reason') or 'no reason given'}")
            case _ if name.startswith("approval."):
                return _short(_approval_gist(name.split(".")[2], body))
            case _ if name.startswith("step."):
                return _short(_step_gist(name.split(".")[2], body))
            case "finished":
                reason = f" ({body['reason']})" if body.get("reason") else ""
                return _short(f"{body['status']}{reason}: {body['answer']['summary']}")
    except (KeyError, TypeError, ValueError):
        pass  # a malformed or newer body is shown as it is
    return _short(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))


def _approval_gist(what: str, body: Any) -> str:
    """`requested`, `given` or `decided`: who is asked until when, who said what, how it was decided."""
    if what == "requested":
        reasons = " ".join(body["reasons"])
        return f"{body['people_needed']} of the role {body['role']} until {clock(body['expires_ns'])}: {reasons}"
    if what == "given":
        note = f": {body['note']}" if body.get("note") else ""
        return f"{body['decision']}{note}"
    people = f" by {', '.join(body['people'])}" if body.get("people") else ""
    return f"{body['outcome']}{people} {body.get('code') or ''} {body.get('reason', '')}".rstrip()


def _step_gist(what: str, body: Any) -> str:
    """`claimed`, `outcome` or `resolved`: which run, what became of it, and who found out where nobody knew."""
    if what == "claimed":
        return f"run {body['run_id'][:8]} of {body['executor']}, until {clock(body['deadline_ns'])}"
    if what == "resolved":
        return f"settled: {body['found'].replace('_', ' ')}, says {body['person'][:8]}…: {body['note']}"
    verified = f", verified: {body['verification']['status']}" if body.get("verification") else ""
    return f"{body['status']}{verified} {body.get('code') or ''} {body.get('detail', '')}".rstrip()


def _short(text: str) -> str:
    return text if len(text) <= CHARACTERS_MAX else f"{text[:CHARACTERS_MAX]}…"
