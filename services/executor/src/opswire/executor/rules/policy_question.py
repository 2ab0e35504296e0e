"""What the policy is asked, and what it can see of a plan before any rule is read. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from opswire.contracts.findings import Asset, Requester
from opswire.contracts.plan_made import Argument, Call, Step
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import Risk
from opswire.executor.rules.policy_file import Ask, Selection

CHANGES = frozenset({Effect.WRITE, Effect.DESTROY})
_VISIBLE_CONTROLS = frozenset("\n\t\r")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# They take no room on the screen although their category says letter, mark or symbol.
_HIDDEN_OTHERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for span in (range(0xFE00, 0xFE10), range(0xE0000, 0xE1000)) for code in span
}
_ASKED_AT = datetime(2026, 1, 1, 12)
_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class PolicyQuestion:
    """A whole plan, who asks, on what, and when (nanoseconds since 1970).

    `assets` are those that the request selected, `hosts` those they live on; `total_matching` counts all that the
    request's words match. `selection` is the context's: what was not `named` one by one is a pattern.
    """

    requester: Requester
    source: str
    intent: IntentName
    steps: Sequence[Step]
    assets: Sequence[Asset]
    total_matching: int
    at_ns: int
    selection: str = "filtered"
    hosts: Sequence[Asset] = ()


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What rules can ask about one step. Steps that only read have no odd selection."""

    step: Step
    asset: Asset | None
    environment: str
    criticality: str
    risk: Risk
    targets: int
    selection: frozenset[Selection]


def facts_of(question: PolicyQuestion, environment_of: dict[str, str]) -> list[StepFacts]:
    """One entry a step. What is not known counts as the worst: production, critical.

    `environment_of` says which of the four environments a name stands for; any other name is production.
    """
    assets = {asset.id: asset for asset in (*question.hosts, *question.assets)}
    changed = {step.asset_id for step in question.steps if step.effect in CHANGES and step.asset_id}
    read = {step.asset_id for step in question.steps if step.asset_id}
    found = []
    for step in question.steps:
        asset = assets.get(step.asset_id or "")
        is_change = step.effect in CHANGES
        environment = environment_of.get(asset.environment, "production") if asset else "production"
        criticality = asset.criticality if asset else "critical" if is_change else "low"
        odd = _oddities(question, step, asset, len(changed)) if is_change else frozenset()
        targets = len(changed if is_change else read)
        found.append(StepFacts(step, asset, environment, criticality, step.risk, targets, odd))
    return found


def _oddities(question: PolicyQuestion, step: Step, asset: Asset | None, targets: int) -> frozenset[Selection]:
    found: set[Selection] = set()
    if step.asset_id is None or not question.assets:
        found.add("empty")
    elif asset is None or question.total_matching > len(question.assets):
        found.add("grew")
    if question.selection != "named" and targets > 1:
        found.add("pattern")
    return frozenset(found)


def hidden_in(question: PolicyQuestion) -> tuple[str, str] | None:
    """Place and code point of the first character that nobody can see, in what a plan that changes something shows.

    Line breaks and tabs are seen; so are all letters, also those that look like others.
    """
    if not any(step.effect in CHANGES for step in question.steps):
        return None
    for asset in (*question.assets, *question.hosts):
        for text in (asset.name, asset.address or ""):
            if character := hidden_character(text):
                return f"the name or address of {ascii(asset.name)[1:-1]}", character
    for step in question.steps:
        calls: list[Step | Call] = [step, *(call for call in (step.verification, step.reverse) if call is not None)]
        for text in (text for call in calls for text in _texts(call.arguments)):
            if character := hidden_character(text):
                return f"the arguments of step {step.number}", character
    return None


def hidden_character(text: str) -> str | None:
    """The code point, such as `U+202E`, of the first character that takes no room or moves others; None without one."""
    if text.isascii() and text.isprintable():
        return None
    for character in text:
        if character in _VISIBLE_CONTROLS:
            continue
        if unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _HIDDEN_OTHERS:
            return f"U+{ord(character):04X}"
    return None


def _texts(arguments: dict[str, Argument]) -> Iterator[str]:
    for name, value in arguments.items():
        yield name
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from value


def question_of(ask: Ask) -> PolicyQuestion:
    """The question that a few words stand for: one step on each of so many assets. Without a time: noon, 1 Jan 2026."""
    assets = [
        Asset(
            id=f"target-{number}",
            name=f"target-{number}",
            type=ask.asset_type,
            environment=ask.environment,
            criticality=ask.criticality,
        )
        for number in range(1, ask.targets + 1)
    ]
    steps = [_step(ask, number, asset.id) for number, asset in enumerate(assets, 1)] or [_step(ask, 1, None)]
    at = (ask.at or _ASKED_AT).replace(tzinfo=ZoneInfo(ask.time_zone)).astimezone(UTC)
    return PolicyQuestion(
        requester=Requester(id=ask.requester, kind=ask.kind),
        source=ask.source,
        intent=ask.intent,
        steps=steps,
        assets=assets,
        total_matching=ask.targets if ask.matching is None else ask.matching,
        at_ns=int(at.timestamp()) * 1_000_000_000,
        selection=ask.selection,
    )


def _step(ask: Ask, number: int, asset_id: str | None) -> Step:
    return Step(
        number=number, tool=ask.tool, effect=ask.effect, risk=ask.risk, asset_id=asset_id, timeout_ms=_TIMEOUT_MS
    )


def listed(names: Iterable[str], shown: int = 5) -> str:
    """`a, b and 3 more`, each once."""
    once = list(dict.fromkeys(name for name in names if name))
    return ", ".join(once[:shown]) + (f" and {len(once) - shown} more" if len(once) > shown else "")
