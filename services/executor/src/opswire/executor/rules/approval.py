"""Whether an approval counts: what the executor asked and knows on one side, what people signed on the other. Pure.

The signed statement is made anew here, of what the executor itself asked and of what is so now; nothing of what was
sent is believed beside the signature. It is asked at the point of use, before every step that changes something, so an
approval that was good a moment ago and is not any more lets nothing begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from opswire.chassis.nkey import NkeyError, verify
from opswire.chassis.redaction import redactor
from opswire.chassis.statements import ApprovalStatement, StatedTarget, digest_of_steps
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested, ApprovalTarget
from opswire.contracts.plan_made import PlanMade
from opswire.executor.rules.cells import plain
from opswire.executor.rules.people import People, Person, is_person

NOTE_CHARACTERS_MAX = 400
Outcome = Literal["waiting", "granted", "denied", "void", "expired"]


@dataclass(frozen=True, slots=True)
class Word:
    """One stored `approval_given`, and where it was stored: the subject's tokens are the broker's word, not its own.

    `sequence` is its place in the stream, by which what was said before it was asked is told.
    """

    given: ApprovalGiven
    source: str
    request_id: str
    round: int
    approver: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is so at the moment of the check, found out by the executor itself.

    `plan` is the stored plan, `targets` the assets of its steps as the inventory has them now, `policy_version` the
    asked one where the policy in force asks no more of this plan now, else another. `ended`: the request is cancelled
    or finished. `begun`: a step ran already, so the plan may go on until its deadline.
    """

    source: str
    plan: PlanMade
    targets: Sequence[ApprovalTarget]
    people: People
    policy_version: str
    now_ns: int
    ended: bool = False
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A word that does not count, and why."""

    approver: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the words amount to. Only `granted` lets anything run; `people` are the names behind it, or who denied.

    `code` and `sentence` say why it is void, expired or denied. `refused` are the words that did not count.
    """

    outcome: Outcome
    people: tuple[str, ...] = ()
    code: str | None = None
    sentence: str = ""
    refused: tuple[Refused, ...] = field(default=())


class _WordRefusedError(Exception):
    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def statement_of(asked: ApprovalRequested, source: str, approver: str, decision: Literal["approve", "deny"]) -> bytes:
    """What this approver signs for this decision on this round."""
    return ApprovalStatement(
        approver=approver,
        decision=decision,
        source=source,
        request_id=asked.request_id,
        round=asked.round,
        plan_digest=digest_of_plan(asked.plan),
        targets=tuple(StatedTarget(each.asset_id, each.generation, each.address) for each in asked.targets),
        policy_version=asked.policy_version,
        expires_ns=asked.expires_ns,
        nonce=asked.nonce,
    ).to_bytes()


def digest_of_plan(plan: PlanMade) -> str:
    """The digest of the steps as they stand here, whatever the plan says of itself."""
    return digest_of_steps(step.model_dump(mode="json", exclude_none=True) for step in plan.steps)


def settle(asked: ApprovalRequested, asked_sequence: int, words: Iterable[Word], standing: Standing) -> Settlement:
    """What one round amounts to now. A denial that counts outweighs every approval."""
    void = _why_void(asked, standing)
    if void is not None:
        return Settlement("void", (), *void)
    approved: dict[str, Person] = {}
    denied: list[str] = []
    notes: list[str] = []
    refused: list[Refused] = []
    for word in sorted(words, key=lambda one: one.sequence):
        try:
            person = _counted(asked, asked_sequence, word, standing)
            if word.given.decision == "deny":
                denied.append(person.name)
                notes.append(word.given.note)
            elif person.name in approved:
                raise _WordRefusedError("same_person_twice", f"{person.name} has approved already")
            else:
                approved[person.name] = person
        except _WordRefusedError as error:
            refused.append(Refused(word.approver, error.code, str(error)))
    if denied:
        return Settlement("denied", tuple(denied), "denied", f"{denied[0]} said no{_noted(notes[0])}", tuple(refused))
    if standing.now_ns >= (asked.deadline_ns if standing.begun else asked.expires_ns):
        return Settlement("expired", tuple(approved), "approval_expired", "Its time is over.", tuple(refused))
    outcome: Outcome = "granted" if len(approved) >= asked.people_needed else "waiting"
    return Settlement(outcome, tuple(approved), None, "", tuple(refused))


def _noted(note: str) -> str:
    """An approver's remark for whoever asked: without secrets, in one line, and unable to end its quotation marks."""
    told = plain(" ".join(redactor.text(note).split()), NOTE_CHARACTERS_MAX).replace('"', "'")
    return f', with the note "{told}"' if told else ""


def _why_void(asked: ApprovalRequested, standing: Standing) -> tuple[str, str] | None:
    """Code and sentence of why nobody's word on this round can count any more; None where it can."""
    if standing.ended:
        return "request_ended", "The request is cancelled or finished."
    digest = digest_of_plan(standing.plan)
    if asked.request_id != standing.plan.request_id:
        return "another_request", "What was asked is another request's."
    if not digest == standing.plan.digest == asked.plan.digest == digest_of_plan(asked.plan):
        return "plan_differs", "The plan is not the one that was asked about."
    change = _changed_target(asked, standing)
    if change is not None:
        return "target_changed", change
    if asked.policy_version != standing.policy_version:
        return "policy_changed", "The policy, or what a tool does, is another by now than when people were asked."
    return None


def _changed_target(asked: ApprovalRequested, standing: Standing) -> str | None:
    now = {target.asset_id: target for target in standing.targets}
    then = {target.asset_id: target for target in asked.targets}
    if len(now) < len(standing.targets) or len(then) < len(asked.targets):
        return "An asset stands among the targets twice."
    for asset_id in then.keys() | now.keys():
        before, after = then.get(asset_id), now.get(asset_id)
        if before is None or after is None:
            name = (before or after or standing.targets[0]).name
            return (
                f"{name} is {'no target' if after is None else 'a target'} now and was {'one' if before else 'none'}."
            )
        if before.address != after.address:
            return f"The address of {after.name} has changed."
        if before != after:
            return f"{after.name} has changed in the inventory."
    for step in standing.plan.steps:
        target = now.get(step.asset_id or "")
        if step.asset_id is not None and (target is None or target.generation != step.asset_generation):
            return f"Step {step.number} is not about one of the targets as they are."
    return None


def _counted(asked: ApprovalRequested, asked_sequence: int, word: Word, standing: Standing) -> Person:
    """Whose word it is. Raises _WordRefusedError where it does not count."""
    _check_place(asked, asked_sequence, word, standing)
    given = word.given
    held = standing.people.holder(word.approver)
    if held is None:
        fault = standing.people.fault
        raise _WordRefusedError(
            *(
                ("people_unreadable", f"the file of people is broken: {fault}")
                if fault
                else ("key_unknown", "nobody holds this key")
            )
        )
    why_not = held.why_not_at(standing.now_ns)
    if why_not is not None:
        raise _WordRefusedError(*why_not)
    try:
        verify(word.approver, statement_of(asked, standing.source, word.approver, given.decision), given.signature)
    except NkeyError as error:
        raise _WordRefusedError(error.code, str(error)) from error
    person = held.person
    if is_person(person, standing.source, asked.requester.id):
        raise _WordRefusedError("requester_is_approver", f"{person.name} asked for it")
    if asked.role not in person.roles:
        raise _WordRefusedError("role_missing", f"{person.name} does not have the role {asked.role}")
    return person


def _check_place(asked: ApprovalRequested, asked_sequence: int, word: Word, standing: Standing) -> None:
    """Whether the word is on this round of this request, by its subject and by what it says of itself."""
    given = word.given
    if (word.source, word.request_id, given.request_id) != (standing.source, asked.request_id, asked.request_id):
        raise _WordRefusedError("another_request", "it is about another request")
    if not word.round == given.round == asked.round:
        raise _WordRefusedError("another_round", "it is about another round of asking")
    if word.approver != given.approver:
        raise _WordRefusedError("another_approver", "it stands under another key than it names")
    if word.sequence < asked_sequence:
        raise _WordRefusedError("before_request", "it was said before it was asked")
    if given.nonce != asked.nonce:
        raise _WordRefusedError("nonce_differs", "it answers something else than what was asked")
    if given.plan_digest != asked.plan.digest:
        raise _WordRefusedError("plan_differs", "it is about another plan")
