"""The claim protocol: the only code that runs a step which changes something. At most once, whatever crashes.

1. An outcome stands: it is the step's outcome.
2. Everything is checked at the point of use (guard.py).
3. The claim is published, once. Whose claim it is, the broker decides. Cancelled or its lock lost by then: not begun.
4. A claim of another run is waited for until its tool is surely dead; without an outcome by then, it is unknown.
5. The tool runs with a limit below the claim's deadline, its probe after it; caches forget what it touched.
6. The outcome is published, once. Theirs stands where it was first.

An outcome is unknown wherever the tool was begun and its end was not seen: it is never guessed, and never tried again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from opswire.chassis.errors import OpswireError, RejectedError
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.message import MessageT
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.route import Route
from opswire.contracts.routes import STEP_CLAIMED, STEP_FINISHED
from opswire.contracts.step_claimed import FencingToken, StepClaimed
from opswire.contracts.step_finished import StepFinished, Verified
from opswire.executor.errors_of_changes import (
    CancelledByRequesterError,
    ClaimLapsedError,
    LockLostError,
    ModeRefusesError,
)
from opswire.executor.rules.tools import ToolCall, ToolResult
from opswire.executor.usecases.guard import Guard
from opswire.executor.usecases.limits import Ending, run_limited
from opswire.executor.usecases.story import Key, Round
from opswire.executor.usecases.verify import verified
from opswire.executor.usecases.written import fitting_rows, is_surely_undone

GRACE_NS = 2_000_000_000
"""Beyond a claim's deadline: clocks of hosts differ, and an outcome may be on its way."""
PUBLISHING_NS = 2_000_000_000
"""What stays of a claim's time when its tool must be dead: for publishing the outcome."""
ASK_AGAIN_S = 0.5


class Journal(Protocol):
    """The facts of requests."""

    async def add(
        self, key: Key, route: Route, message: MessageT, deadline_ns: int | None = None, **variables: str
    ) -> tuple[MessageT, bool]:
        """The fact that stands, and whether it is ours. Raises RetryableError."""

    async def outcome(self, key: Key, number: int) -> StepFinished | None:
        """The outcome of a step, where it stands. Raises RetryableError."""

    async def is_claimed(self, key: Key, number: int) -> bool:
        """Whether any run has claimed a step. Raises RetryableError."""


@dataclass(slots=True)
class Run:
    """One process' run of one plan. `ended` is set when nothing more is to be begun and what runs is to end."""

    key: Key
    plan: PlanMade
    context: ContextResolved
    agreed: Round | None
    deadline_ns: int
    tokens: dict[str, int] = field(default_factory=dict)
    held_until_ns: int = 0
    """Until when the locks of `tokens` hold; no claim goes beyond it. 0 where there is nothing to lock."""
    claims: dict[int, StepClaimed] = field(default_factory=dict)
    outcomes: dict[int, StepFinished] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class ClaimedSteps:
    """Runs steps that change something. `invalidate` returns when no cache serves what the step touched.

    `keep_high_water` returns when it is on this machine's disk that the broker acknowledged the claim of a step.
    """

    journal: Journal
    guard: Guard
    executor: str
    tool: Callable[[ToolCall], Awaitable[ToolResult]]
    call: Callable[[Run, Step], ToolCall]
    invalidate: Callable[[Run, Step], Awaitable[None]]
    keep_high_water: Callable[[Key, int], Awaitable[None]]
    keep_output: Callable[[Run, Step, ToolResult], Awaitable[str | None]] | None = None
    """Keeps what the outcome cannot hold and answers its reference. Never raises."""
    clock_ns: Callable[[], int] = time.time_ns
    grace_ns: int = GRACE_NS
    publishing_ns: int = PUBLISHING_NS

    async def run(self, run: Run, step: Step) -> StepFinished:
        """The step's one outcome. Raises what the guard raises while nothing was begun, and RetryableError."""
        standing = run.outcomes.get(step.number)
        if standing is not None:
            return standing
        claim = run.claims.get(step.number)
        if claim is None:
            if self.clock_ns() + self.publishing_ns >= run.held_until_ns > 0 and run.held_until_ns < run.deadline_ns:
                raise LockLostError("the locks are held for too short a time by now; they are taken anew")
            is_first = not run.claims
            with span("check at the point of use", Stage.POLICY):
                await self.guard.check(
                    run.key, run.plan, step, run.context, run.agreed, run.tokens, run.deadline_ns, is_first=is_first
                )
            claim = await self._claim(run, step)
        if claim.run_id == run.id:
            return await self._begin(run, step, claim)
        return await self._await_other(run, step, claim)

    async def _claim(self, run: Run, step: Step) -> StepClaimed:
        now_ns = self.clock_ns()
        probe_ms = step.verification.timeout_ms if step.verification else 0
        limit_ns = (step.timeout_ms + probe_ms) * 1_000_000 + self.publishing_ns
        claim = StepClaimed(
            request_id=run.key.request_id,
            number=step.number,
            run_id=run.id,
            executor=self.executor,
            plan_digest=run.plan.digest,
            tokens=[FencingToken(asset_id=asset, token=token) for asset, token in sorted(run.tokens.items())][:8],
            claimed_ns=now_ns,
            deadline_ns=min(now_ns + limit_ns, run.deadline_ns, run.held_until_ns or run.deadline_ns),
        )
        standing, _ = await self.journal.add(run.key, STEP_CLAIMED, claim, run.deadline_ns, number=str(step.number))
        run.claims[step.number] = standing
        if standing.run_id == run.id:
            with span("keep the high-water mark", Stage.EXECUTOR_COMPUTE):
                await self.keep_high_water(run.key, step.number)
        return standing

    async def _begin(self, run: Run, step: Step, claim: StepClaimed) -> StepFinished:
        call = self.call(run, step)
        why_not = await self._why_not(run)
        started_ns = self.clock_ns()
        limit_s = min(step.timeout_ms / 1_000, self._left_s(claim.deadline_ns) * 0.9)
        if why_not is None and limit_s <= 0:  # others may take it for lost already
            why_not = ClaimLapsedError("The time of its claim was over before it could be begun.")
        ending = Ending(error=why_not) if why_not else await run_limited(self.tool(call), limit_s, run.ended)
        verification = None
        if step.verification is not None and not is_surely_undone(ending.error):
            with span(f"probe {step.verification.tool}", Stage.TOOL_RUN) as current:
                verification = await self._verify(run, step, claim, ending.result)
                current.set("opswire.verification.status", verification.status)
        ended_ns = self.clock_ns()
        await self._forget_what_it_touched(run, step)
        outcome = self._outcome(run, step, ending, verification, started_ns, ended_ns)
        if ending.result is not None and self.keep_output is not None:
            reference = await self.keep_output(run, step, ending.result)
            outcome = outcome.model_copy(update={"output_reference": reference})
        return await self._publish(run, outcome)

    async def _why_not(self, run: Run) -> RejectedError | None:
        """What keeps a step that this run claimed from being begun after all."""
        try:
            await self.guard.check_claimed(run.key, run.plan, run.tokens)
        except CancelledByRequesterError as error:
            run.ended.set()
            return error
        except (ClaimLapsedError, ModeRefusesError) as error:
            return error
        return CancelledByRequesterError("It was ended before it was begun.") if run.ended.is_set() else None

    async def _verify(self, run: Run, step: Step, claim: StepClaimed, change: ToolResult | None) -> Verified:
        probe = step.verification
        assert probe is not None
        as_step = step.model_copy(
            update={"tool": probe.tool, "arguments": probe.arguments, "timeout_ms": probe.timeout_ms}
        )
        limit_s = min(probe.timeout_ms / 1_000, self._left_s(claim.deadline_ns))
        probing = dataclasses.replace(self.call(run, as_step), verifies=change)
        ending = await run_limited(self.tool(probing), limit_s, None)
        return verified(probe.tool, ending)

    def _outcome(
        self, run: Run, step: Step, ending: Ending, verification: Verified | None, started_ns: int, ended_ns: int
    ) -> StepFinished:
        parts: dict[str, Any] = {"status": "succeeded"}
        if ending.result is not None:
            parts |= {"rows": fitting_rows(ending.result.records), "note": ending.result.note[:1_000]}
        else:
            error: OpswireError | None = ending.error
            status = "failed" if is_surely_undone(error) or ending.has_ended else "unknown"
            detail = str(error)[:1_000] if error else "it was interrupted"
            parts = {"status": status, "code": error.code if error else "interrupted", "detail": detail}
        return StepFinished(
            request_id=run.key.request_id,
            number=step.number,
            run_id=run.id,
            verification=verification,
            started_ns=started_ns,
            finished_ns=ended_ns,
            **parts,
        )

    async def _publish(self, run: Run, outcome: StepFinished) -> StepFinished:
        standing, _ = await self.journal.add(
            run.key, STEP_FINISHED, outcome, run.deadline_ns, number=str(outcome.number)
        )
        run.outcomes[outcome.number] = standing
        return standing

    async def _forget_what_it_touched(self, run: Run, step: Step) -> None:
        with span("invalidate caches", Stage.EXECUTOR_COMPUTE):
            await self.invalidate(run, step)

    async def _await_other(self, run: Run, step: Step, claim: StepClaimed) -> StepFinished:
        with span("wait for the run that claimed it", Stage.QUEUE_REDELIVERY):
            found = await self._theirs(run, step, claim)
        if found is not None:
            return found
        await self._forget_what_it_touched(run, step)
        return await self._publish(run, lost(run.key, claim, self.clock_ns()))

    async def _theirs(self, run: Run, step: Step, claim: StepClaimed) -> StepFinished | None:
        """The outcome by the run that claimed the step; None where it gave none and its tool is surely dead."""
        while self.clock_ns() < claim.deadline_ns + self.grace_ns:
            found = await self.journal.outcome(run.key, step.number)
            if found is not None:
                run.outcomes[step.number] = found
                return found
            left_s = (claim.deadline_ns + self.grace_ns - self.clock_ns()) / 1e9
            await asyncio.sleep(min(ASK_AGAIN_S, max(left_s, 0.01)))
        return None

    def _left_s(self, deadline_ns: int) -> float:
        return max(0.0, (deadline_ns - self.publishing_ns - self.clock_ns()) / 1e9)


def lost(key: Key, claim: StepClaimed, now_ns: int) -> StepFinished:
    """The outcome of a step whose run told nothing any more: unknown."""
    return StepFinished(
        request_id=key.request_id,
        number=claim.number,
        run_id=claim.run_id,
        status="unknown",
        code="run_lost",
        detail=f"{claim.executor} began it and was lost; whether it was done is not known",
        started_ns=claim.claimed_ns,
        finished_ns=now_ns,
    )
