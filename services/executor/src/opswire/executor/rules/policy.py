"""What may be done, and by whose leave: a question about a whole plan in, a verdict with its reasons out. Pure.

Any question gets a verdict. A file that cannot be read, or that fails its own tests, lets nothing be changed.
Two things hold whatever the file says: a change that carries characters nobody can see is refused, and no grant lets
a change pass whose targets were not named one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.executor.rules.people import NO_VERSION, is_same_name
from opswire.executor.rules.policy_file import (
    CRITICALITIES,
    ENVIRONMENTS,
    AtLeast,
    AtMost,
    Condition,
    Demand,
    Otherwise,
    PolicyFile,
    PolicyTest,
    Selection,
)
from opswire.executor.rules.policy_question import (
    CHANGES,
    PolicyQuestion,
    StepFacts,
    facts_of,
    hidden_in,
    listed,
    question_of,
)
from opswire.executor.rules.yaml_text import read_yaml

REASONS_MAX = 32
APPROVAL_WINDOW_S_DEFAULT = 3_600
_ODD: dict[Selection, str] = {
    "empty": "it names no asset of the inventory",
    "grew": "more assets match than the plan names",
    "pattern": "its targets are all that match a description, and were not named one by one",
}


class Kind(StrEnum):
    """The three verdicts, from mild to strict."""

    ALLOW = "allow"
    APPROVE = "approve"
    REFUSE = "refuse"

    @property
    def rank(self) -> int:
        """0 for allow to 2 for refuse."""
        return list(Kind).index(self)


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that had a say, by its name in the file, and the sentence for a person."""

    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`people` of `role` must approve within `approval_window_s`; 0 and empty where nobody is asked.

    `risk` is the highest of the plan's steps after the file's own rules. `reasons` come strictest first.
    """

    kind: Kind
    people: Literal[0, 1, 2]
    role: str
    reasons: tuple[Reason, ...]
    risk: Risk
    approval_window_s: int
    version: str

    @property
    def strictness(self) -> tuple[int, int]:
        """Grows with the kind, then with the number of people."""
        return self.kind.rank, self.people


@dataclass(frozen=True, slots=True)
class _Said:
    """What one rule says about one step."""

    kind: Kind
    people: Literal[0, 1, 2]
    role: str
    reason: Reason
    about: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file in force. `version` is the digest of its bytes; `fault` says why nothing may be changed."""

    version: str
    file: PolicyFile | None
    fault: str | None = None
    failures: tuple[str, ...] = ()

    @classmethod
    def read(cls, content: bytes) -> Policy:
        """The policy of a file, tried by its own tests. A file that cannot be read, or fails them, refuses changes."""
        version = hashlib.sha256(content).hexdigest()
        try:
            policy = cls(version, read_yaml(content, PolicyFile))
        except ValueError as error:
            return cls.broken(str(error), version)
        failures = policy.failed_tests()
        if failures:
            return cls.broken(f"{len(failures)} of its own tests fail, first {failures[0]}", version, failures)
        return policy

    @classmethod
    def broken(cls, fault: str, version: str = NO_VERSION, failures: tuple[str, ...] = ()) -> Policy:
        """A policy that lets nothing be changed, and why."""
        return cls(version, None, fault, failures)

    @property
    def approval_window_s(self) -> int:
        """How long people have to decide, in seconds."""
        return self.file.approval_window_s if self.file else APPROVAL_WINDOW_S_DEFAULT

    def outranks(self, role: str, other: str) -> bool:
        """Whether the first is the later one in the file's list: what it approves needs no word of the other."""
        roles = self.file.roles if self.file else []
        return role in roles and other in roles and roles.index(role) > roles.index(other)

    def decide(self, question: PolicyQuestion) -> Verdict:
        """The strictest that any rule says about any step. Never raises for a question that can be made."""
        all_facts = facts_of(question, self._environments())
        raised = [self._raised(question, facts) for facts in all_facts]
        said = [each for facts, reasons in raised for each in self._say(question, facts, reasons)]
        said += _about_the_whole(question)
        kind = max((each.kind for each in said), key=lambda one: one.rank)
        deciding = [each for each in said if each.kind is kind]
        roles = self.file.roles if self.file else []
        return Verdict(
            kind,
            max(each.people for each in deciding),
            max((each.role for each in deciding if each.role), key=roles.index, default=""),
            _reasons(said),
            max((facts.risk for facts, _ in raised), key=lambda one: one.rank, default=Risk.LOW),
            self.approval_window_s,
            self.version,
        )

    def failed_tests(self) -> tuple[str, ...]:
        """A sentence for each of the file's own tests that fails."""
        tests = self.file.tests if self.file else []
        return tuple(fault for test in tests for fault in [self._failure(test)] if fault)

    def _failure(self, test: PolicyTest) -> str | None:
        verdict = self.decide(question_of(test.ask))
        found: dict[str, Any] = {"verdict": verdict.kind.value, "people": verdict.people, "role": verdict.role}
        expected = test.expect.model_dump(exclude={"rules"}, exclude_none=True)
        told = [f"{name} is {found[name]!r}, not {value!r}" for name, value in expected.items() if found[name] != value]
        rules = {reason.rule for reason in verdict.reasons}
        told += [f"{name} has no say" for name in test.expect.rules if name not in rules]
        return f"{test.name!r}: {', '.join(told)}" if told else None

    def _environments(self) -> dict[str, str]:
        own = dict(self.file.environments) if self.file else {}
        return {name: name for name in ENVIRONMENTS} | own

    def _raised(self, question: PolicyQuestion, facts: StepFacts) -> tuple[StepFacts, list[Reason]]:
        """The step with its risk after the file's rules, and why. Every rule sees the risk that the step came with."""
        risk, reasons = facts.risk, []
        for rule in self.file.risks if self.file else ():
            if rule.risk.rank > facts.risk.rank and self._holds_at_least(rule.when, question, facts):
                risk = risk.at_least(rule.risk)
                reasons.append(Reason(rule.name, f"{_sentence(rule.because)} That makes the risk {rule.risk.value}."))
        return replace(facts, risk=risk), reasons

    def _say(self, question: PolicyQuestion, facts: StepFacts, raised: Sequence[Reason]) -> list[_Said]:
        about = facts.asset.name if facts.asset else ""
        if self.file is None:
            return [self._say_broken(question, facts, about)]
        demands = [demand for demand in self.file.demands if self._holds_at_least(demand.when, question, facts)]
        said = [_say_of(demand, demand.name, about) for demand in demands]
        grant = next((each for each in self.file.grants if self._holds_at_most(each.when, question, facts)), None)
        if grant is None or facts.selection:
            said.append(_say_of(self.file.otherwise, "otherwise", about))
        else:
            said.append(_Said(Kind.ALLOW, 0, "", Reason(grant.name, _sentence(grant.because)), about))
        if facts.selection:
            odd = " and ".join(_ODD[each] for each in sorted(facts.selection))
            reason = Reason("unnamed_targets", f"This is never let pass unseen: {odd}.")
            said.append(_Said(Kind.APPROVE, 1, self.file.roles[0], reason, about))
        strictest = max((each.kind for each in said), key=lambda one: one.rank)
        if strictest is not Kind.ALLOW:
            said += [_Said(strictest, 0, "", reason, about) for reason in raised]
        return said

    def _say_broken(self, question: PolicyQuestion, facts: StepFacts, about: str) -> _Said:
        if facts.step.effect not in CHANGES and question.intent is not IntentName.SECRET_READ:
            return _Said(Kind.ALLOW, 0, "", Reason("policy_broken", "It only reads."), about)
        sentence = f"Nothing may be changed while the policy file is broken: {self.fault}."
        return _Said(Kind.REFUSE, 0, "", Reason("policy_broken", sentence), about)

    def _holds(self, when: Condition, question: PolicyQuestion, facts: StepFacts) -> bool:
        requester = question.requester
        return (
            (when.effects is None or facts.step.effect in when.effects)
            and (when.environments is None or facts.environment in when.environments)
            and (when.tools is None or facts.step.tool in when.tools)
            and (when.intents is None or question.intent in when.intents)
            and (when.asset_types is None or (facts.asset is not None and facts.asset.type in when.asset_types))
            and (when.requester_kinds is None or requester.kind in when.requester_kinds)
            and (when.sources is None or question.source in when.sources)
            and (
                when.requesters is None
                or any(is_same_name(name, question.source, requester.id) for name in when.requesters)
            )
            and (when.inside is None or any(self._in_window(name, question.at_ns) for name in when.inside))
            and (when.outside is None or not any(self._in_window(name, question.at_ns) for name in when.outside))
        )

    def _holds_at_least(self, when: AtLeast, question: PolicyQuestion, facts: StepFacts) -> bool:
        return (
            (when.risk_at_least is None or facts.risk.rank >= when.risk_at_least.rank)
            and (when.criticality_at_least is None or _rank(facts.criticality) >= _rank(when.criticality_at_least))
            and (when.targets_at_least is None or facts.targets >= when.targets_at_least)
            and (when.selection is None or not facts.selection.isdisjoint(when.selection))
            and self._holds(when, question, facts)
        )

    def _holds_at_most(self, when: AtMost, question: PolicyQuestion, facts: StepFacts) -> bool:
        return (
            (when.risk_at_most is None or facts.risk.rank <= when.risk_at_most.rank)
            and (when.criticality_at_most is None or _rank(facts.criticality) <= _rank(when.criticality_at_most))
            and (when.targets_at_most is None or facts.targets <= when.targets_at_most)
            and self._holds(when, question, facts)
        )

    def _in_window(self, name: str, at_ns: int) -> bool:
        return self.file is not None and self.file.windows[name].holds(at_ns)


def _about_the_whole(question: PolicyQuestion) -> list[_Said]:
    hidden = hidden_in(question)
    if hidden is not None:
        sentence = f"There is a character that nobody can see, {hidden[1]}, in {hidden[0]}."
        return [_Said(Kind.REFUSE, 0, "", Reason("hidden_characters", sentence))]
    if not question.steps:
        return [_Said(Kind.ALLOW, 0, "", Reason("nothing_to_do", "The plan runs nothing."))]
    return []


def _say_of(rule: Demand | Otherwise, name: str, about: str) -> _Said:
    people: Literal[0, 1, 2] = 0 if rule.people is None else 2 if rule.people == 2 else 1
    return _Said(Kind(rule.verdict), people, rule.role or "", Reason(name, _sentence(rule.because)), about)


def _reasons(said: Sequence[_Said]) -> tuple[Reason, ...]:
    """Each reason once, with the assets that it is about, strictest first; the mild ones only where all are mild."""
    about: dict[Reason, list[str]] = {}
    for each in sorted(said, key=lambda one: (-one.kind.rank, -one.people)):
        about.setdefault(each.reason, []).append(each.about)
    strict = any(each.kind is not Kind.ALLOW for each in said)
    allowed = {each.reason for each in said if each.kind is Kind.ALLOW}
    if any(each.reason.rule not in {"otherwise", "unnamed_targets"} and each.kind is not Kind.ALLOW for each in said):
        # Where a rule of its own asks for as much, that nothing grants it is no news.
        allowed |= {each.reason for each in said if each.reason.rule == "otherwise" and not _is_strictest(each, said)}
    found = []
    for reason, names in about.items():
        if strict and reason in allowed:
            continue
        shown = listed(names)
        found.append(Reason(reason.rule, f"{reason.sentence} ({shown})" if shown else reason.sentence))
    return tuple(found[:REASONS_MAX])


def _is_strictest(one: _Said, said: Sequence[_Said]) -> bool:
    others = [each for each in said if each.reason.rule != "otherwise"]
    return all((one.kind.rank, one.people) > (each.kind.rank, each.people) for each in others)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _rank(criticality: str) -> int:
    return CRITICALITIES.index(criticality)
