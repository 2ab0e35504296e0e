"""What is to be done next about a request that changes something, or needs people: asked anew at every message.

Everything is read from the facts, so that any process can go on where another one stopped: a context that came, a
person's word, a cancellation, a deadline all lead here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from opswire.chassis.errors import Disposition, OpswireError
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.approval_decided import ApprovalDecided
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Mark
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.routes import APPROVAL_DECIDED, APPROVAL_REQUESTED, PLAN_MADE, STEP_FINISHED
from opswire.executor.errors_of_changes import (
    ApprovalDeniedError,
    ApprovalExpiredError,
    AssetChangedError,
    CancelledByRequesterError,
    PolicyRefusedError,
)
from opswire.executor.rules.policy import Kind, Policy, Verdict
from opswire.executor.usecases.ask import asked, judge
from opswire.executor.usecases.claims import GRACE_NS, Journal, Run, lost
from opswire.executor.usecases.conclude import concluded
from opswire.executor.usecases.decide import Deciding, decision
from opswire.executor.usecases.execute import Ended, Executor, changes
from opswire.executor.usecases.finish import refused
from opswire.executor.usecases.guard import CurrentAssets, Guard
from opswire.executor.usecases.named_backup import with_named_backup
from opswire.executor.usecases.refresh import refreshed
from opswire.executor.usecases.story import Key, Round, Story

ROUNDS_MAX = 20


class ProposesPlans(Protocol):
    """Makes the plans of requests that have no single obvious one, by asking a model."""

    def serves(self, context: ContextResolved) -> bool:
        """Whether this request's plan is for it to make. Microseconds; nobody is asked."""

    async def __call__(self, key: Key, context: ContextResolved) -> PlanMade:
        """A plan, another one each time perhaps: only the first that is on record counts. Raises as `make_plan`."""


Words = Callable[[Run, Sequence[Ended]], Awaitable[str | None]]
"""What a model says of a run's outputs, or None. It comes to its end before the run's deadline."""


class Stories(Journal, Protocol):
    """The facts of requests, read as a whole and added to."""

    async def read(self, key: Key) -> Story:
        """Every fact of the request. Raises RetryableError."""


@dataclass(slots=True)
class Running:
    """The runs of this process, for whoever ends them."""

    runs: dict[Key, Run] = field(default_factory=dict)
    locks: dict[Key, asyncio.Lock] = field(default_factory=dict)
    users: Counter[Key] = field(default_factory=Counter)

    @asynccontextmanager
    async def alone(self, key: Key) -> AsyncIterator[None]:
        """One at a time for each request. The lock lives as long as somebody holds it or waits for it."""
        self.users[key] += 1
        try:
            async with self.locks.setdefault(key, asyncio.Lock()):
                yield
        finally:
            self.users[key] -= 1
            if not self.users[key]:
                del self.users[key]
                self.locks.pop(key, None)

    def end(self, key: Key) -> None:
        """Begin nothing more of this request here, and end the tool that runs."""
        if key in self.runs:
            self.runs[key].ended.set()

    def end_all(self) -> None:
        """The same for every request: executors are stopped."""
        for run in self.runs.values():
            run.ended.set()


@dataclass(frozen=True, slots=True)
class Proceed:
    """One per process. `schedule` has the broker tick when a moment (nanoseconds since 1970) is over.

    `make_plan` gives the same plan for the same context; `propose` makes the others, where there is a model.
    """

    journal: Stories
    make_plan: Callable[[ContextResolved], PlanMade]
    policy: Callable[[], Policy]
    deciding: Deciding
    guard: Guard
    assets: CurrentAssets
    executor: Executor
    schedule: Callable[[int], Awaitable[None]]
    waiting: Callable[[Key, ApprovalRequested], Awaitable[None]]
    propose: ProposesPlans | None = None
    words: Words | None = None
    running: Running = field(default_factory=Running)
    clock_ns: Callable[[], int] = time.time_ns

    async def plan_of(self, key: Key, context: ContextResolved) -> PlanMade:
        """The plan of a context that came. A proposed one is put on record first: it could not be made a second time.

        The one on record where none can be made any more: something of it may have been begun. Raises as `make_plan`,
        and RetryableError.
        """
        if self.propose is None or not self.propose.serves(context):
            try:
                return await self._new_plan(key, context)
            except OpswireError as error:
                plan = (await self.journal.read(key)).agreed_plan
                if plan is None or error.disposition is not Disposition.REJECT:
                    raise
                return plan
        story = await self.journal.read(key)
        plan = story.plan
        if plan is None:
            plan, _ = await self.journal.add(key, PLAN_MADE, await self._new_plan(key, context))
        return plan

    async def _new_plan(self, key: Key, context: ContextResolved) -> PlanMade:
        context = await with_named_backup(context, key, self.journal.read)
        if self.propose is None or not self.propose.serves(context):
            return self.make_plan(context)
        return await self.propose(key, context)

    def may_read_at_once(self, key: Key, plan: PlanMade, context: ContextResolved) -> bool:
        """Whether the plan only reads, and the policy and the mode let it. Anything else takes the way by the facts."""
        if changes(plan) or self.guard.mode.mode == "stopped":
            return False
        return self._judged(plan, context, key.source, self.clock_ns()).kind is Kind.ALLOW

    async def __call__(self, key: Key, mark: Callable[[], Mark]) -> RequestFinished | None:
        """The request's outcome, not published yet; None while people are waited for, or where it has one already.

        Raises RetryableError.
        """
        async with self.running.alone(key):
            story = await self.journal.read(key)
            try:
                return await self._next(story, mark)
            except OpswireError as error:
                if error.disposition is not Disposition.REJECT or story.context is None:
                    raise
                await self._check_not_begun(story, story.context)
                return refused(story.context, error, mark())

    async def _check_not_begun(self, story: Story, context: ContextResolved) -> None:
        """Return only where a refusal is true: no other process begins what these facts did not show yet.

        A cancellation is seen by whoever claims a step; a decision against it lets nobody begin one.
        """
        plan, last = story.agreed_plan, story.round
        if plan is None or not changes(plan) or story.has_begun or story.cancelled is not None:
            return
        if last is not None and last.decided is not None and not last.is_granted:
            return
        deadline_ns = last.asked.deadline_ns if last is not None else context.deadline_ns
        await self.executor.check_not_begun(Run(story.key, plan, context, last, deadline_ns))

    async def has_nothing_to_settle(self, key: Key) -> bool:
        """Whether nobody was asked and nothing was begun: an overdue request of which nothing more can be told."""
        story = await self.journal.read(key)
        return story.context is None or (story.round is None and not story.has_begun)

    async def when_overdue(self, key: Key, mark: Callable[[], Mark]) -> RequestFinished | None:
        """The outcome of a request whose time is up; None while its tool may still be at work. Raises RetryableError.

        A step whose run was lost has an unknown outcome from now on.
        """
        if key in self.running.runs:
            return None
        story = await self.journal.read(key)
        if story.finish is not None:
            return story.finish
        plan, context = story.agreed_plan, story.context
        if not story.has_begun or plan is None or context is None:
            return await self(key, mark)
        if any(self.clock_ns() < claim.deadline_ns + GRACE_NS for claim in story.unsettled):
            return None
        outcomes = dict(story.outcomes)
        for claim in story.unsettled:
            unknown = lost(key, claim, self.clock_ns())
            standing, _ = await self.journal.add(key, STEP_FINISHED, unknown, number=str(claim.number))
            outcomes[claim.number] = standing
        ends = [Ended(step, change=outcomes.get(step.number)) for step in plan.steps]
        return concluded(context, ends, mark())

    async def _next(self, story: Story, mark: Callable[[], Mark]) -> RequestFinished | None:
        if story.finish is not None or story.context is None:
            return None
        if story.cancelled is not None and not story.has_begun:
            if story.round is not None and story.round.decided is None:
                _trace_the_wait(story.round, "cancelled")
            raise CancelledByRequesterError("It was cancelled before anything was changed.")
        agreed = story.round
        if agreed is None:
            return await self._first(story, story.context, mark)
        try:
            context = await refreshed(story.context, agreed, self.assets)
            if not story.has_begun:
                await self.guard.check_assets({each.asset_id: each.generation for each in agreed.asked.targets})
        except AssetChangedError as error:
            if not story.has_begun:
                return await self._changed(story, story.context, agreed, error)
            context = story.context  # what was begun has its outcome all the same; the guard lets nothing more begin
        agreed = agreed if agreed.decided else await self._decide(story, agreed, context)
        if agreed.decided is None:
            await self.schedule(agreed.asked.expires_ns)
            return None
        if agreed.decided.outcome == "void":
            return await self._changed(story, context, agreed, AssetChangedError(agreed.decided.reason))
        _refuse_unless_granted(agreed)
        return await self._run(story, agreed.asked.plan, context, agreed, agreed.asked.deadline_ns, mark)

    async def _first(self, story: Story, context: ContextResolved, mark: Callable[[], Mark]) -> RequestFinished | None:
        plan = story.plan or await self._new_plan(story.key, context)
        now_ns = self.clock_ns()
        verdict = self._judged(plan, context, story.key.source, now_ns)
        if verdict.kind is Kind.REFUSE and not story.has_begun:
            raise PolicyRefusedError(" ".join(reason.sentence for reason in verdict.reasons)[:1_000])
        if not story.has_begun:
            self.guard.check_mode(plan)
        plan, _ = await self.journal.add(story.key, PLAN_MADE, plan)
        if verdict.kind is Kind.APPROVE and not story.has_begun:
            await self._ask(story.key, asked(plan, context, self.deciding.bound(verdict, plan), 1, now_ns))
            return None
        return await self._run(story, plan, context, None, context.deadline_ns, mark)

    def _judged(self, plan: PlanMade, context: ContextResolved, source: str, now_ns: int) -> Verdict:
        with span("judge", Stage.POLICY) as current:
            verdict = judge(self.policy(), plan, context, source, now_ns)
            current.set("opswire.policy.verdict", verdict.kind.value)
        return verdict

    async def _ask(self, key: Key, request: ApprovalRequested) -> None:
        variables = {"round": str(request.round)}
        standing, _ = await self.journal.add(key, APPROVAL_REQUESTED, request, request.deadline_ns, **variables)
        await self.schedule(standing.expires_ns)
        await self.schedule(standing.deadline_ns)
        await self.waiting(key, standing)

    async def _decide(self, story: Story, agreed: Round, context: ContextResolved) -> Round:
        """The round with its decision, where one is due and stands now."""
        with span("count approvals", Stage.POLICY):
            found = self.deciding.settlement(story.key, agreed, context)
        if found.outcome == "waiting":
            return agreed
        now_ns = self.clock_ns()
        made = decision(agreed, found.outcome, now_ns, found.people, found.code, found.sentence)
        standing = await self._settle(story.key, agreed, made)
        return Round(agreed.asked, agreed.sequence, agreed.given, standing)

    async def _settle(self, key: Key, agreed: Round, found: ApprovalDecided) -> ApprovalDecided:
        variables = {"round": str(agreed.asked.round)}
        standing, is_ours = await self.journal.add(key, APPROVAL_DECIDED, found, agreed.asked.deadline_ns, **variables)
        if is_ours:
            _trace_the_wait(agreed, standing.outcome)
        return standing

    async def _changed(
        self, story: Story, context: ContextResolved, agreed: Round, error: AssetChangedError
    ) -> RequestFinished | None:
        """The round is void. Where the asset still is there, the plan is made anew and people are asked again."""
        now_ns = self.clock_ns()
        void = decision(agreed, "void", now_ns, code=error.code, reason=str(error))
        await self._settle(story.key, agreed, void)
        if agreed.asked.round >= ROUNDS_MAX or now_ns >= agreed.asked.expires_ns:
            raise error
        context = await refreshed(context, None, self.assets)
        plan = await self._new_plan(story.key, context)
        verdict = self._judged(plan, context, story.key.source, now_ns)
        if verdict.kind is Kind.REFUSE:
            raise PolicyRefusedError(" ".join(reason.sentence for reason in verdict.reasons)[:1_000])
        number = agreed.asked.round + 1
        bound = self.deciding.bound(verdict, plan)
        await self._ask(story.key, asked(plan, context, bound, number, now_ns, agreed.asked.role))
        return None

    async def _run(
        self,
        story: Story,
        plan: PlanMade,
        context: ContextResolved,
        agreed: Round | None,
        deadline_ns: int,
        mark: Callable[[], Mark],
    ) -> RequestFinished | None:
        claims, outcomes = dict(story.claims), dict(story.outcomes)
        run = Run(story.key, plan, context, agreed, deadline_ns, claims=claims, outcomes=outcomes)
        if story.cancelled is not None:
            run.ended.set()
        self.running.runs[story.key] = run
        try:
            ends = await self.executor.run(run)
            cancelled = run.ended.is_set()
            words = await self.words(run, ends) if self.words is not None else None
        finally:
            self.running.runs.pop(story.key, None)
        changed = next((end.refused for end in ends if isinstance(end.refused, AssetChangedError)), None)
        if changed is not None and agreed is not None and not run.claims:
            return await self._changed(story, context, agreed, changed)
        people = agreed.decided.people if agreed is not None and agreed.decided is not None else ()
        return concluded(context, ends, mark(), cancelled=cancelled, people=people, words=words)


def _refuse_unless_granted(agreed: Round) -> None:
    """Raise what ends a request whose approval was not granted."""
    assert agreed.decided is not None
    errors: dict[str, OpswireError] = {
        "denied": ApprovalDeniedError(f"It was not approved: {agreed.decided.reason}."),
        "expired": ApprovalExpiredError("Nobody approved it in time; ask again if it is still wanted."),
    }
    if agreed.decided.outcome in errors:
        raise errors[agreed.decided.outcome]


def _trace_the_wait(agreed: Round, outcome: str) -> None:
    """The time in which people were waited for, as one span from the asking to its end."""
    with span("wait for approval", Stage.APPROVAL_WAIT, {"opswire.approval.outcome": outcome}) as current:
        current.start_ns = agreed.asked.asked_ns
        current.set("opswire.approval.round", agreed.asked.round)
