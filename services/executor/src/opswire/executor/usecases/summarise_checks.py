"""The sentences of checks: whether something runs, and whether something is reached."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.contracts.context_resolved import ContextResolved
from opswire.executor.rules.cells import counted, listed, plain
from opswire.executor.rules.targets import without_places
from opswire.executor.rules.tools import Record
from opswire.executor.usecases.outcomes import StepOutcome

WELL = frozenset({"running", "reachable", "healthy", "open", "resolved", "verified"})
_PHRASES_MAX = 4


def status_sentence(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> str:
    """For one asset what each check says; for several how many are well, and which are not."""
    records = [record for outcome in outcomes for record in outcome.found]
    names = list(dict.fromkeys(str(record["asset"]) for record in records))
    checked = {outcome.call.asset.id for outcome in outcomes if outcome.call.asset}
    skipped = [asset.name for asset in without_places(context.assets) if asset.id not in checked]
    sentence = _of_one(names[0], records) if len(names) == 1 else _of_several(names, records)
    return sentence + (f" No way to look at {listed(skipped)} is known." if skipped else "")


def _of_one(name: str, records: Sequence[Record]) -> str:
    if not any(record["check"] == "ssh" for record in records):
        return f"{name}: {listed([_phrase(record) for record in records])}."
    own = [record for record in records if not str(record["check"]).startswith("unit ")]
    units = [record for record in records if str(record["check"]).startswith("unit ")]
    phrases = [_phrase(record) for record in own]
    if units:
        well = sum(record["state"] in WELL for record in units)
        phrases.append(f"{well} of {counted(len(units), 'unit')} running")
    phrases += [_phrase(record) for record in units if record["state"] not in WELL]
    return f"{name}: {listed(phrases)}."


def _phrase(record: Record) -> str:
    check, state = record["check"], record["state"]
    behind = [f"pid {record['pid']}"] if record.get("pid") else []
    if record.get("detail"):
        behind.append(plain(str(record["detail"]), 200))
    return f"{check} {state}" + (f" ({', '.join(behind)})" if behind else "")


def _of_several(names: Sequence[str], records: Sequence[Record]) -> str:
    ill = list(dict.fromkeys(str(record["asset"]) for record in records if record["state"] not in WELL))
    if not ill:
        return f"{len(names)} of {len(names)} are well: {listed(names)}."
    reasons = [f"{record['asset']} {_phrase(record)}" for record in records if record["state"] not in WELL]
    return f"{len(names) - len(ill)} of {len(names)} are well; not well: {listed(reasons)}."


def connectivity_sentence(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> str:
    """Whether the asked connection works, from the named source where there is one, and what else was seen."""
    del context
    records = [record for outcome in outcomes for record in outcome.found]
    asked = [record for record in records if record["from"] != "executor"] or records
    blind = any(outcome.error and outcome.call.step.tool == "ssh.port_check" for outcome in outcomes)
    # What is seen from here says nothing about the source that was asked about.
    if not blind and len({(record["from"], record["to"]) for record in asked}) == 1:
        verdict = "Yes" if all(record["result"] in WELL for record in asked) else "No"
        return f"{verdict}: {listed([_connection(record) for record in records])}."
    if len(records) <= _PHRASES_MAX:
        return f"{listed([_connection(record) for record in records])}."
    well = sum(record["result"] in WELL for record in records)
    ill = [_connection(record) for record in records if record["result"] not in WELL]
    return f"{well} of {counted(len(records), 'check')} passed{f'; {listed(ill)}' if ill else ''}."


def _connection(record: Record) -> str:
    result, detail = str(record["result"]), plain(str(record.get("detail") or ""), 200)
    latency = f"{record['latency_ms']} ms" if record.get("latency_ms") is not None else ""
    behind = ", ".join(part for part in (detail if result not in detail else "", latency) if part)
    said = f"{result} ({behind})" if behind else result
    if record["check"] == "dns":
        return f"{record['to']} in DNS: {said}"
    origin = "here" if record["from"] == "executor" else str(record["from"])
    return f"{record['check']} from {origin} to {record['to']} port {record['port']} is {said}"
