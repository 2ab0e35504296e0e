"""Asking people: what exactly would run, on what, why they are asked, and until when. Pure but for the nonce."""

from __future__ import annotations

import secrets

from opswire.contracts.approval_requested import ApprovalRequested, ApprovalTarget
from opswire.contracts.approval_requested.v1 import Asker
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import PlanMade
from opswire.executor.rules.policy import Policy, Verdict
from opswire.executor.rules.policy_question import PolicyQuestion
from opswire.executor.rules.targets import asset_by_id, host_of

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
FINISHING_NS = 30 * SECOND_NS
"""Beyond the steps' own limits: for waiting on locks, publishing and verifying."""


def judge(policy: Policy, plan: PlanMade, context: ContextResolved, source: str, now_ns: int) -> Verdict:
    """What the policy says of exactly this plan, now."""
    question = PolicyQuestion(
        requester=context.requester,
        source=source,
        intent=plan.intent,
        steps=plan.steps,
        assets=context.assets,
        total_matching=max(context.total, len(context.assets)),
        at_ns=now_ns,
        selection=context.selection,
        hosts=context.hosts,
    )
    return policy.decide(question)


def asked(
    plan: PlanMade, context: ContextResolved, verdict: Verdict, number: int, now_ns: int, role: str = ""
) -> ApprovalRequested:
    """One round of asking. A round that replaces another asks at least one person, of `role` where the policy names
    none any more."""
    expires_ns = now_ns + verdict.approval_window_s * SECOND_NS
    return ApprovalRequested(
        request_id=context.request_id,
        round=number,
        text=context.text,
        plan=plan,
        targets=targets_of(plan, context),
        requester=Asker(id=context.requester.id, kind=context.requester.kind),
        people_needed=max(verdict.people, 1),
        role=verdict.role or role,
        reasons=[reason.sentence[:1_000] for reason in verdict.reasons],
        policy_version=verdict.version,
        asked_ns=now_ns,
        expires_ns=expires_ns,
        deadline_ns=expires_ns + running_ns(plan),
        nonce=secrets.token_hex(16),
    )


def targets_of(plan: PlanMade, context: ContextResolved) -> list[ApprovalTarget]:
    """Every asset that a step speaks of and the hosts that are logged in to, each once, in the plan's order."""
    found: dict[str, Asset] = {}
    for step in plan.steps:
        asset = asset_by_id(context, step.asset_id)
        target_id = step.arguments.get("target_asset_id")
        target = asset_by_id(context, target_id) if isinstance(target_id, str) else None
        for one in (asset, host_of(asset, context) if asset else None, target):
            if one is not None:
                found.setdefault(one.id, one)
    return [
        ApprovalTarget(
            asset_id=one.id,
            name=one.name,
            type=one.type,
            environment=one.environment,
            criticality=one.criticality,
            address=one.address,
            generation=one.generation,
        )
        for one in found.values()
    ]


def running_ns(plan: PlanMade) -> int:
    """How long the plan may take once it may begin: its steps one after the other with their probes, a day at most."""
    steps_ms = sum(step.timeout_ms + (step.verification.timeout_ms if step.verification else 0) for step in plan.steps)
    return min(steps_ms * 1_000_000 + FINISHING_NS, DAY_NS)
