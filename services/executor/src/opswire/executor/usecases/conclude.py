"""The one outcome of a request whose plan changed something, made of the ends of its steps. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Mark
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_finished.endings import timings_of
from opswire.contracts.step_finished import StepFinished
from opswire.contracts.types import Cell, FinishStatus
from opswire.executor.errors_of_changes import CancelledByRequesterError, ClaimLapsedError, ModeRefusesError
from opswire.executor.rules.cells import counted, listed, plain
from opswire.executor.rules.targets import asset_by_id
from opswire.executor.usecases.execute import READS, Ended
from opswire.executor.usecases.findings import Finding, checks_sentence, findings_of, looks_sentence, not_done
from opswire.executor.usecases.finish import references_of
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.tables import make_answer

NOT_BEGUN = (CancelledByRequesterError.code, ClaimLapsedError.code, ModeRefusesError.code)
SEEN_MAX = 3
SEEN_CHARACTERS_MAX = 200


def concluded(
    context: ContextResolved,
    ends: Sequence[Ended],
    mark: Mark,
    *,
    cancelled: bool = False,
    people: Sequence[str] = (),
    words: str | None = None,
) -> RequestFinished:
    """The finish: unknown outcomes go to a person, else the worst end decides. `people` are those who approved.

    `words` are a model's on what was looked at; they stand in place of ours on that, and of nothing else.
    """
    status, code = _verdict(ends, cancelled)
    sentence = _sentence(context, ends, status, words)
    if people:
        sentence += f" Approved by {listed(list(people))}."
    records = [record for end in ends for record in _records(context, end)]
    return RequestFinished(
        request_id=context.request_id,
        status=status,
        reason=code,
        answer=make_answer(sentence, records),
        intent=context.intent,
        assets=references_of(context),
        timings=timings_of(context.accepted_ns, mark.sent_ns, [*context.marks, mark]),
    )


def _verdict(ends: Sequence[Ended], cancelled: bool) -> tuple[FinishStatus, str | None]:
    changed = [end.change for end in ends if end.change is not None]
    if any(change.status == "unknown" for change in changed):
        return FinishStatus.NEEDS_HUMAN, "outcome_unknown"
    if cancelled:
        return FinishStatus.CANCELLED, "cancelled"
    refused = next((end.refused for end in ends if end.refused is not None), None)
    if refused is not None:
        return refused.status, refused.code
    failed = next((change for change in changed if change.status != "succeeded"), None)
    if failed is not None:
        return FinishStatus.FAILED, failed.code or "tool_failed"
    if any(change.verification is not None and change.verification.status == "fail" for change in changed):
        return FinishStatus.FAILED, "verification_failed"
    unread = next((end.read.error for end in ends if end.read is not None and end.read.error is not None), None)
    if unread is not None and any(not end.succeeded for end in ends if end.step.effect not in READS):
        return FinishStatus.FAILED, unread.code
    return FinishStatus.COMPLETED, None


def _sentence(context: ContextResolved, ends: Sequence[Ended], status: FinishStatus, words: str | None) -> str:
    changing = [end for end in ends if end.step.effect not in READS]
    done = [end for end in changing if end.succeeded]
    parts = [f"{len(done)} of {counted(len(changing), 'change')} done: {_what(context, done)}." if done else ""]
    for end in changing:
        if not end.succeeded and (end.change is not None or end.refused is not None):
            parts.append(_why(context, end))
    left = [end for end in changing if not end.succeeded and end.change is None and end.refused is None]
    if left:
        parts.append(f"Not begun: {_what(context, left)}.")
    seen = [
        plain(_detail(end.change), SEEN_CHARACTERS_MAX) for end in done if end.change and _verdict_of(end) == "pass"
    ]
    if seen:
        parts.append(f"Checked: {'; '.join(seen[:SEEN_MAX])}{_more(seen)}.")
    unverified = [end for end in done if end.change and end.change.verification is None]
    unclear = [end for end in done if _verdict_of(end) == "unknown"]
    if unverified:
        parts.append(f"Nothing can verify {_what(context, unverified)}.")
    if unclear:
        parts.append(f"Whether {_what(context, unclear)} had its effect could not be seen.")
    parts.append(_seen(context, [end.read for end in ends if end.read is not None], words))
    parts.append(not_done(context, [end.step.tool for end in ends]).strip())
    if status is FinishStatus.NEEDS_HUMAN:
        parts.append("Look before anything is tried again, then settle it with `opswire resolve`.")
    return " ".join(part for part in parts if part) or "Nothing was done."


def _seen(context: ContextResolved, looks: Sequence[StepOutcome], words: str | None) -> str:
    """What was looked at; what fails or is unknown of it is ours to say, whoever says the rest."""
    if words is None:
        return looks_sentence(context, looks) if looks else ""
    checks = checks_sentence(looks)
    return f"{words} {checks}." if checks else words


def _more(seen: Sequence[str]) -> str:
    return f"; and {len(seen) - SEEN_MAX} more" if len(seen) > SEEN_MAX else ""


def _what(context: ContextResolved, ends: Sequence[Ended]) -> str:
    return listed([f"{end.step.tool} on {_name(context, end)}" for end in ends])


def _why(context: ContextResolved, end: Ended) -> str:
    what = f"{end.step.tool} on {_name(context, end)}"
    if end.refused is not None:
        return f"{what} was not begun: {end.refused}"
    change = end.change
    assert change is not None
    if change.status == "succeeded":
        return f"{what} was done, but its check failed: {_detail(change)}."
    if change.status == "unknown":
        return f"What became of {what} is unknown: {change.detail.rstrip('.')}.{_probe(end)}"
    how = "was not begun" if change.code in NOT_BEGUN else "failed"
    return f"{what} {how}: {change.detail.rstrip('.')}."


def _detail(change: StepFinished) -> str:
    return change.verification.detail.rstrip(".") if change.verification else ""


def _probe(end: Ended) -> str:
    found = end.change.verification if end.change else None
    if found is not None:
        return f" The probe {found.tool} said {found.status}: {found.detail.rstrip('.')}."
    if end.step.verification is not None:
        arguments = ", ".join(f"{name}={value}" for name, value in end.step.verification.arguments.items())
        return f" To find out: {end.step.verification.tool} ({arguments})."
    return ""


def _verdict_of(end: Ended) -> str | None:
    return end.change.verification.status if end.change and end.change.verification else None


def _name(context: ContextResolved, end: Ended) -> str:
    asset = asset_by_id(context, end.step.asset_id)
    return asset.name if asset is not None else "no asset"


def _look(finding: Finding) -> dict[str, Cell]:
    verdict = finding.verdict.value if finding.verdict is not None else None
    line: dict[str, Cell] = {"step": finding.step, "tool": finding.tool, "asset": finding.asset}
    return line | {"outcome": verdict, "detail": plain(finding.found, 500)}


def _records(context: ContextResolved, end: Ended) -> list[dict[str, Cell]]:
    """The step's own line, and what its tool said."""
    if end.step.effect in READS:
        found = findings_of([end.read]) if end.read is not None else []
        return [_look(each) for each in found]
    change = end.change
    state = change.status if change else "refused" if end.refused else "not begun"
    line: dict[str, Cell] = {"step": end.step.number, "tool": end.step.tool, "asset": _name(context, end)}
    line |= {"outcome": state, "verified": _verdict_of(end) or ("none" if change else None)}
    if change is not None and change.verification is not None:
        line["verified_by"] = plain(change.verification.detail, 500)
    if change is None or change.status != "succeeded":
        line["detail"] = plain(change.detail if change else str(end.refused or ""), 500)
        return [line]
    if change.output_reference is not None:
        line["whole_output"] = change.output_reference
    rows = change.rows or [{}]
    return [line | {name: value for name, value in row.items() if name != "asset"} for row in rows]
