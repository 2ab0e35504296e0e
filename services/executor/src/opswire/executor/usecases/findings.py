"""What steps of different tools found, told alike: which step, of which tool, on what, with which verdict, and what.

A check passes, fails, or could not be made: then it is unknown, and that is printed. What is no check has no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Cell
from opswire.executor.rules.cells import counted, listed, plain
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Judgement, Record
from opswire.executor.usecases.asked_for import AskedFor
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.summarise_checks import WELL

_UNKNOWN_STATES = frozenset({"unknown", ""})
_PHRASE_CHARACTERS_MAX = 200
_STATE_KEYS = ("state", "result")
_TOLD = ("ssh.", "http.", "tcp.", "tls.", "dns.", "inventory.", "system.")
"""Tools whose findings the sentences of single intents know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. `verdict` is None where nothing was checked, such as for a line of a log."""

    step: int
    tool: str
    asset: str
    verdict: Judgement | None
    found: str

    @property
    def record(self) -> Record:
        """As a row of an answer."""
        verdict: Cell = self.verdict.value if self.verdict is not None else None
        return {"step": self.step, "tool": self.tool, "asset": self.asset, "verdict": verdict, "found": self.found}


def is_mixed(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> bool:
    """Whether the outcomes are of a diagnosis, or of more than the one thing that the intent stands for."""
    if context.intent.name is IntentName.DIAGNOSE_ISSUE:
        return True
    tools = {outcome.call.step.tool for outcome in outcomes}
    entries = [packaged_catalogue().find(tool) for tool in tools]
    others = any(entry is not None and context.intent.name not in entry.intents for entry in entries)
    return others or not all(tool.startswith(_TOLD) for tool in tools)


def findings_of(outcomes: Sequence[StepOutcome]) -> list[Finding]:
    """The findings of all steps in their order; a step that found nothing has one that says so."""
    return [finding for outcome in outcomes for finding in _of_one(outcome)]


def _of_one(outcome: StepOutcome) -> Iterator[Finding]:
    step, tool = outcome.call.step.number, outcome.call.step.tool
    name = outcome.call.asset.name if outcome.call.asset is not None else ""
    if outcome.error is not None:
        yield Finding(step, tool, name, Judgement.UNKNOWN, plain(f"{outcome.error.code}: {outcome.error}"))
        return
    if not outcome.found:
        yield Finding(step, tool, name, None, _nothing(outcome))
    for record in outcome.found:
        yield Finding(step, tool, str(record.get("to") or record.get("asset") or name), _verdict(record), _said(record))


def _nothing(outcome: StepOutcome) -> str:
    words = outcome.call.step.arguments.get("contains")
    return f"no line holds {listed(words.splitlines())}" if isinstance(words, str) else "nothing"


def _verdict(record: Record) -> Judgement | None:
    state = next((record[key] for key in _STATE_KEYS if key in record), None)
    if state is None:
        return None
    if str(state) in _UNKNOWN_STATES:
        return Judgement.UNKNOWN
    return Judgement.PASS if str(state) in WELL else Judgement.FAIL


def _said(record: Record) -> str:
    """The record's own words, its keys where they do not go without saying."""
    if set(record) <= {"asset", "line", "number"}:
        return str(record.get("line") or "")
    if "metric" in record:
        parts = [f"{record['metric']} {record['value']}{record.get('unit') or ''}", str(record.get("detail") or "")]
        return " ".join(part for part in parts if part)
    state = next((f"{record[key]}" for key in _STATE_KEYS if key in record), "")
    check = str(record.get("check") or "")
    shown = {"asset", "check", "detail", "to", *_STATE_KEYS}
    rest = [f"{key} {value}" for key, value in record.items() if key not in shown and value not in (None, "")]
    detail = [str(record["detail"])] if record.get("detail") else []
    behind = ", ".join(detail + rest)
    said = " ".join(part for part in (check, state) if part)
    return f"{said} ({behind})" if said and behind else said or behind


def checks_sentence(outcomes: Sequence[StepOutcome]) -> str:
    """How many checks pass, and every one that fails or is unknown; empty where nothing was checked."""
    checks = [each for each in findings_of(outcomes) if each.verdict is not None]
    passed = [each for each in checks if each.verdict is Judgement.PASS]
    parts = [f"{len(passed)} of {counted(len(checks), 'check passes', 'checks pass')}"] if checks else []
    for verdict in (Judgement.FAIL, Judgement.UNKNOWN):
        named = [_phrase(each) for each in checks if each.verdict is verdict]
        if named:
            parts.append(f"{verdict.value}: {listed(named)}")
    return "; ".join(parts)


def findings_sentence(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> str:
    """What the checks say, the last line that each log shows, the load, and what nothing was asked about."""
    return looks_sentence(context, outcomes) + left_out(context, outcomes)


def looks_sentence(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> str:
    """The same without what was left out."""
    parts = [checks_sentence(outcomes)]
    parts += [_log_phrase(outcome) for outcome in outcomes if outcome.result and outcome.call.step.tool == _LOGS]
    parts += [_load_phrase(outcome) for outcome in outcomes if outcome.result and outcome.call.step.tool == _LOAD]
    parts += [f"{counted(len(context.alerts), 'alert')}: {listed(_alerts(context))}"] if context.alerts else []
    found = counted(len(findings_of(outcomes)), "finding")
    sentence = "; ".join(part for part in parts if part) or f"{found} in the table"
    # Never a name: it would be spelt as nothing is.
    return f"{sentence[:1].upper() if sentence.startswith('no such') else sentence[:1]}{sentence[1:]}."


def _alerts(context: ContextResolved) -> list[str]:
    return list(dict.fromkeys(alert.name for alert in context.alerts))


_LOGS, _LOAD = "ssh.log_tail", "ssh.host_load"


def _phrase(finding: Finding) -> str:
    text = plain(finding.found, _PHRASE_CHARACTERS_MAX)
    return f"step {finding.step} {finding.tool} of {finding.asset or 'no asset'}, {text}"


def _log_phrase(outcome: StepOutcome) -> str:
    place = f"{plain(outcome.call.text('path'), 200)} of {outcome.call.asset.name if outcome.call.asset else '?'}"
    lines = outcome.found
    if not lines:
        return f"no such line in {place}" if "contains" in outcome.call.step.arguments else f"{place} is empty"
    last = plain(str(lines[-1].get("line")), _PHRASE_CHARACTERS_MAX)
    return f'{counted(len(lines), "line")} of {place}, the last "{last}"'


def _load_phrase(outcome: StepOutcome) -> str:
    values = {str(record.get("metric")): record for record in outcome.found}
    disks = [float(record["value"] or 0) for record in outcome.found if record.get("metric") == "disk_used"]
    parts = [f"load {values['load_1m']['value']}"] if "load_1m" in values else []
    parts += [f"memory {values['memory_used']['value']} %"] if "memory_used" in values else []
    parts += [f"fullest disk {max(disks)} %"] if disks else []
    name = outcome.call.asset.name if outcome.call.asset is not None else "?"
    return f"{name} has {listed(parts)}" if parts else ""


def left_out(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> str:
    """Which of the named assets nothing was asked about, and which changes were named and not done: it is said."""
    seen = {outcome.call.asset.id for outcome in outcomes if outcome.call.asset is not None}
    hosts = {outcome.call.host.id for outcome in outcomes if outcome.call.host is not None}
    targets = {outcome.call.target.id for outcome in outcomes if outcome.call.target is not None}
    left = [asset.name for asset in context.assets if asset.id not in seen | hosts | targets]
    looked = f" Not looked at: {listed(left)}." if left else ""
    return looked + not_done(context, [outcome.call.step.tool for outcome in outcomes])


def not_done(context: ContextResolved, tools: Sequence[str]) -> str:
    """The changes that a request for several things names and that none of these tools makes: never left out silently.

    Begins with a blank where there is anything to say.
    """
    asked = AskedFor(context)
    entries = [packaged_catalogue().find(tool) for tool in tools]
    done = {name for entry in entries if entry is not None and entry.changes for name in entry.intents}
    left = [name.value for name in asked.changes if name not in done] if asked.is_composite else []
    return f" Not done: {listed(left)}; ask for it in a request of its own." if left else ""
