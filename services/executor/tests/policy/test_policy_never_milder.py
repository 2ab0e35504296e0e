"""The policy: nothing that makes a change worse makes the verdict milder, in our file and in any other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opswire.contracts.findings import Requester
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import RequesterKind, Risk
from opswire.executor.rules.policy import Kind, Policy
from opswire.executor.rules.policy_question import PolicyQuestion
from policy_scene import (
    CRITICALITIES,
    EFFECTS,
    ENVIRONMENTS,
    GRANTS_ALL,
    PACKAGED,
    REQUESTERS,
    WINDOWS,
    asset,
    question,
    step,
)


@st.composite
def plans(draw: st.DrawFn) -> PolicyQuestion:
    """Any plan on any assets, most of them odd."""
    assets = [
        asset(number, draw(st.sampled_from([*ENVIRONMENTS, "development"])), draw(st.sampled_from(CRITICALITIES)))
        for number in range(1, draw(st.integers(1, 14)))
    ]
    steps = [
        step(
            number,
            draw(st.sampled_from(EFFECTS)),
            draw(st.sampled_from(list(Risk))),
            asset_id=draw(st.sampled_from([*(each.id for each in assets), "a99", None])),
        )
        for number in range(1, draw(st.integers(1, 6)))
    ]
    return question(
        steps=steps,
        assets=assets,
        total_matching=draw(st.integers(0, 15)),
        at_ns=draw(st.integers(0, 2**63 - 1)),
        selection=draw(st.sampled_from(["none", "named", "filtered"])),
        intent=draw(st.sampled_from(list(IntentName))),
        requester=Requester(id=draw(st.text(min_size=1, max_size=8)), kind=draw(st.sampled_from(list(RequesterKind)))),
        source=draw(st.sampled_from(["cli", "pager"])),
    )


@settings(max_examples=150)
@given(plans(), st.sampled_from([PACKAGED, WINDOWS, REQUESTERS, GRANTS_ALL, b"broken: ["]))
def test_any_question_gets_one_verdict_with_reasons(asked: PolicyQuestion, text: bytes) -> None:
    policy = Policy.read(text)
    verdict = policy.decide(asked)
    assert verdict == policy.decide(asked)
    assert (verdict.kind is Kind.APPROVE) == (verdict.people > 0) == bool(verdict.role)
    changes = any(each.effect in (Effect.WRITE, Effect.DESTROY) for each in asked.steps)
    assert verdict.reasons or not asked.steps
    assert all(len(reason.sentence) <= 1_000 for reason in verdict.reasons)
    if changes and policy.fault:
        assert verdict.kind is Kind.REFUSE


def worse(asked: PolicyQuestion, draw: st.DrawFn) -> PolicyQuestion:
    """The same plan with one thing made worse."""
    place = draw(st.integers(0, len(asked.steps) - 1))
    assets, steps = list(asked.assets), list(asked.steps)
    one = steps[place]
    which = draw(
        st.sampled_from(["risk", "effect", "criticality", "environment", "matching", "selection", "another target"])
    )
    at = next((index for index, each in enumerate(assets) if each.id == one.asset_id), 0)
    if which == "risk":
        steps[place] = one.model_copy(
            update={"risk": draw(st.sampled_from([r for r in Risk if r.rank >= one.risk.rank]))}
        )
    elif which == "effect":
        steps[place] = one.model_copy(update={"effect": draw(st.sampled_from(EFFECTS[EFFECTS.index(one.effect) :]))})
    elif which == "criticality":
        rest = CRITICALITIES[CRITICALITIES.index(assets[at].criticality) :]
        assets[at] = assets[at].model_copy(update={"criticality": draw(st.sampled_from(rest))})
    elif which == "environment":
        assets[at] = assets[at].model_copy(update={"environment": "production"})
    elif which == "matching":
        return replace(asked, total_matching=asked.total_matching + draw(st.integers(0, 9)))
    elif which == "selection":
        return replace(asked, selection="filtered")
    else:
        steps.append(step(len(steps) + 1, asset_id=draw(st.sampled_from([each.id for each in assets]))))
    return replace(asked, steps=steps, assets=assets)


@settings(max_examples=300)
@given(st.data(), st.sampled_from([PACKAGED, GRANTS_ALL]))
def test_what_is_worse_never_gets_a_milder_verdict(data: st.DataObject, text: bytes) -> None:
    policy = Policy.read(text)
    asked = data.draw(plans())
    if not asked.steps:
        asked = replace(asked, steps=[step()])
    if not asked.assets:
        asked = replace(asked, assets=[asset()])
    graver = data.draw(st.composite(lambda draw: worse(asked, draw))())
    assert policy.decide(graver).strictness >= policy.decide(asked).strictness
    assert policy.decide(graver).risk.rank >= policy.decide(asked).risk.rank


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "risk": st.sampled_from([each.value for each in Risk]),
        "criticality": st.sampled_from(CRITICALITIES),
        "targets": st.integers(1, 5),
    },
)


@settings(max_examples=200)
@given(st.lists(CONDITIONS, max_size=4), st.lists(CONDITIONS, max_size=4), st.data())
def test_no_file_can_be_written_in_which_more_risk_gets_a_milder_verdict(
    demands: list[dict[str, Any]], grants: list[dict[str, Any]], data: st.DataObject
) -> None:
    said = st.sampled_from(
        [{"verdict": "refuse"}, *({"verdict": "approve", "people": n, "role": "operator"} for n in (1, 2))]
    )
    text = json.dumps(
        {
            "roles": ["operator"],
            "approval_window_s": 60,
            "demands": [
                {"name": f"d{n}", "when": {f"{k}_at_least": v for k, v in each.items()}, "because": "Because."}
                | data.draw(said)
                for n, each in enumerate(demands)
            ],
            "grants": [
                {"name": f"g{n}", "when": {f"{k}_at_most": v for k, v in each.items()}, "because": "Because."}
                for n, each in enumerate(grants)
            ],
            "otherwise": {"because": "Because."} | data.draw(said),
        }
    )
    policy = Policy.read(text.encode())
    assert policy.fault is None
    low, high = sorted(
        data.draw(st.lists(st.sampled_from(list(Risk)), min_size=2, max_size=2)), key=lambda one: one.rank
    )
    mild, grave = (policy.decide(question(steps=[step(risk=risk)])) for risk in (low, high))
    assert grave.strictness >= mild.strictness
