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
    own = [record for record in records if not str(record["check"]).startswith("unit ")]
    units = [record for record in records if str(record["check"]).startswith("unit ")]
    phrases = [_phrase(record) for record in own]
    if units and own:
        well = sum(record["state"] in WELL for record in units)
        phrases.append(f"{well} of its {counted(len(units), 'unit')} {'is' if well == 1 else 'are'} running")
    elif units:
        phrases += [f"{_phrase(record)}" for record in units]
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
        return f"All {len(names)} are well: {listed(names)}."
    reasons = [f"{record['asset']} {_phrase(record)}" for record in records if record["state"] not in WELL]
    return f"{len(names) - len(ill)} of {len(names)} are well; not well: {listed(reasons)}."


def connectivity_sentence(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> str:
    """Whether the asked connection works, from the named source where there is one, and what else was seen."""
    del context
    records = [record for outcome in outcomes for record in outcome.found]
    phrases = [_connection(record) for record in records]
    verdict = ""
    asked = [record for record in records if record["from"] != "executor"] or records
    if len({(record["from"], record["to"]) for record in asked}) == 1:
        verdict = "Yes: " if all(record["result"] in WELL for record in asked) else "No: "
    elif len(phrases) > _PHRASES_MAX:
        well = sum(record["result"] in WELL for record in records)
        ill = [_connection(record) for record in records if record["result"] not in WELL]
        return f"{well} of {counted(len(records), 'check')} passed{f'; {listed(ill)}' if ill else ''}."
    return f"{verdict}{listed(phrases)}."


def _connection(record: Record) -> str:
    port = f" port {record['port']}" if record.get("port") else ""
    latency = f"{record['latency_ms']} ms" if record.get("latency_ms") is not None else ""
    behind = [part for part in (latency, plain(str(record.get("detail") or ""), 200)) if part]
    origin = "from here" if record["from"] == "executor" else f"from {record['from']}"
    name = f"{record['check']} {record['to']}{port} {origin}: {record['result']}"
    return name + (f" ({', '.join(behind)})" if behind else "")
