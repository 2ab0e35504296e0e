"""How a round of asking stands, by the words that were given, the people who count and the policy as it is now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from opswire.chassis.logs import get_logger
from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade
from opswire.executor.errors import ApprovalRequiredError
from opswire.executor.errors_of_changes import ApprovalExpiredError, ApprovalInvalidError, PolicyRefusedError
from opswire.executor.rules.approval import Settlement, Standing, Word, settle
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.people import People
from opswire.executor.rules.policy import Kind, Policy, Verdict
from opswire.executor.usecases.ask import judge, targets_of
from opswire.executor.usecases.story import Key, Round

HALF = 32
"""Characters of a digest: two halves make a version of the length that messages hold."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """One per process. `people`, `policy` and `catalogue` answer with the files as they are now.

    What people are asked under is a version of the policy and of the tools: half a digest of each.
    """

    people: Callable[[], People]
    policy: Callable[[], Policy]
    clock_ns: Callable[[], int] = time.time_ns
    catalogue: Callable[[], Catalogue] = packaged_catalogue

    def settlement(self, key: Key, agreed: Round, context: ContextResolved, *, begun: bool = False) -> Settlement:
        """What the words amount to now. `begun`: a step ran already, so the plan may go on until its deadline."""
        words = [
            Word(each.approval, key.source, key.request_id, agreed.asked.round, each.approval.approver, each.sequence)
            for each in agreed.given
        ]
        found = settle(agreed.asked, agreed.sequence, words, self._standing(key, agreed, context, begun=begun))
        for refused in found.refused:
            reason = {"approver": refused.approver, "code": refused.code, "reason": refused.sentence}
            get_logger().warning("approval does not count", request=str(key), **reason)
        return found

    def verify(self, key: Key, agreed: Round, context: ContextResolved, *, begun: bool) -> None:
        """Return only where the approvals hold now for exactly this plan. Raises ApprovalInvalidError."""
        found = self.settlement(key, agreed, context, begun=begun)
        if found.outcome == "expired":
            raise ApprovalExpiredError("It was approved, and could not be begun before the approval expired.")
        if found.outcome != "granted":
            why = found.sentence or "; ".join(each.sentence for each in found.refused) or "approvals are missing"
            code = found.code or (found.refused[0].code if found.refused else None)
            raise ApprovalInvalidError(f"The approval does not hold at the point of use: {why}", code)

    def _standing(self, key: Key, agreed: Round, context: ContextResolved, *, begun: bool) -> Standing:
        # Where this machine's clock is behind, the broker's word on when somebody spoke is a later one.
        now_ns = max(self.clock_ns(), *(each.stored_ns for each in agreed.given), 0)
        return Standing(
            source=key.source,
            plan=agreed.asked.plan,
            targets=targets_of(agreed.asked.plan, context),
            people=self.people(),
            policy_version=self._policy_version(key, agreed, context, agreed.asked.asked_ns if begun else now_ns),
            now_ns=now_ns,
            begun=begun,
        )

    def require_leave(self, key: Key, plan: PlanMade, context: ContextResolved, *, begun: bool) -> None:
        """Return only where the policy lets this plan run without anybody's approval. Raises what refuses it.

        A plan that was begun in its time may come to its end after it, unless the policy itself is another by now.
        """
        at_ns = context.accepted_ns if begun else self.clock_ns()
        verdict = judge(self.policy(), plan, context, key.source, at_ns)
        if verdict.kind is Kind.ALLOW:
            return
        why = " ".join(reason.sentence for reason in verdict.reasons)[:1_000]
        if verdict.kind is Kind.REFUSE:
            raise PolicyRefusedError(why)
        raise ApprovalRequiredError(f"By now this needs an approval, ask again: {why}")

    def bound(self, verdict: Verdict, plan: PlanMade) -> Verdict:
        """The verdict for asking people, bound to what the plan's tools do now."""
        return replace(verdict, version=verdict.version[:HALF] + self._tools_version(plan))

    def _tools_version(self, plan: PlanMade) -> str:
        calls = [call for step in plan.steps for call in (step, step.verification) if call is not None]
        return self.catalogue().digest_of(call.tool for call in calls)[:HALF]

    def _policy_version(self, key: Key, agreed: Round, context: ContextResolved, at_ns: int) -> str:
        """The asked one where the policy in force asks no more at that moment, of the same tools; else another."""
        asked, policy = agreed.asked, self.policy()
        if asked.policy_version not in (policy.version, asked.policy_version[:HALF] + self._tools_version(asked.plan)):
            return f"{policy.version} of other tools"
        verdict = judge(policy, asked.plan, context, key.source, at_ns)
        enough = verdict.kind is not Kind.REFUSE and verdict.people <= asked.people_needed
        if enough and (verdict.role in ("", asked.role) or policy.outranks(asked.role, verdict.role)):
            return asked.policy_version
        return f"{policy.version} that asks for more"


def decision(
    agreed: Round, outcome: str, now_ns: int, people: Sequence[str] = (), code: str | None = None, reason: str = ""
) -> ApprovalDecided:
    """The one decision of a round."""
    return ApprovalDecided.model_validate(
        {
            "request_id": agreed.asked.request_id,
            "round": agreed.asked.round,
            "outcome": outcome,
            "plan_digest": agreed.asked.plan.digest,
            "people": list(people),
            "code": code,
            "reason": reason[:1_000],
            "decided_ns": now_ns,
        }
    )
