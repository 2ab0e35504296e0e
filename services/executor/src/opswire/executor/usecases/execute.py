"""Runs a plan that changes something: its steps in the order that they depend on each other, branches side by side.

Steps that only read run like those of any plan; the others by the claim protocol. What a step needs and did not get, or
what comes after a failure that stops, is skipped and never begun.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.step_finished import StepFinished
from opswire.contracts.taxonomy import Effect
from opswire.executor.errors_of_changes import AssetBusyError, LockLostError
from opswire.executor.usecases.ask import running_ns
from opswire.executor.usecases.claims import GRACE_NS, PUBLISHING_NS, ClaimedSteps, Run
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.story import Key

PARALLEL_MAX = 8
READS = frozenset({Effect.NONE, Effect.READ})
LOCK_WAIT_SHARE = 0.5
"""Of the time that is left, so much is waited for an asset that another request changes..."""
LOCK_WAIT_NS_MAX = 600_000_000_000
"""...and no longer than this, although an approved request may live for days."""


class Locks(Protocol):
    """Who may change an asset."""

    async def acquire(
        self, assets: list[str], run_id: str, key: Key, holding_ns: int, deadline_ns: int, wait_until_ns: int
    ) -> tuple[dict[str, int], int]:
        """Tokens by asset, and until when all of them hold. Raises AssetBusyError or RetryableError."""

    async def is_held(self, tokens: dict[str, int]) -> bool:
        """Whether every token is still the last. Raises RetryableError."""

    async def release(self, tokens: dict[str, int]) -> None:
        """Free them."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One step's end. Exactly one of the three is set: `change` of a claimed step, `read`, or why it was not begun."""

    step: Step
    change: StepFinished | None = None
    read: StepOutcome | None = None
    refused: OpswireError | None = None

    @property
    def succeeded(self) -> bool:
        """Whether what depends on it may be begun: done, and not found to be undone by its probe."""
        if self.change is not None:
            verified = self.change.verification is None or self.change.verification.status != "fail"
            return self.change.status == "succeeded" and verified
        return self.read is not None and self.read.error is None


def changes(plan: PlanMade) -> bool:
    """Whether any step of the plan changes something."""
    return any(step.effect not in READS for step in plan.steps)


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs plans. `read` runs one step that only reads and never raises for what its tool does."""

    locks: Locks
    claimed: ClaimedSteps
    read: Callable[[Run, Step], Awaitable[StepOutcome]]

    async def run(self, run: Run) -> list[Ended]:
        """The end of every step, in the plan's order. Raises RetryableError where the broker is away: repeat it all."""
        now_ns = self.claimed.clock_ns()
        wait_until_ns = now_ns + min(int((run.deadline_ns - now_ns) * LOCK_WAIT_SHARE), LOCK_WAIT_NS_MAX)
        try:
            await self._lock(run, wait_until_ns)
        except AssetBusyError as error:
            return [await self._while_busy(run, step, error) for step in run.plan.steps]
        try:
            ends = await self._all(run)
            await self._check_untold(run, ends)
            return ends
        finally:
            with span("free assets", Stage.EXECUTOR_COMPUTE):
                await self.locks.release(run.tokens)

    async def check_not_begun(self, run: Run) -> None:
        """Return only where nothing of the plan is begun, and nothing will be by a run that came before this one.

        Raises LockLostError where another run has begun something: the facts are to be read anew. RetryableError.
        """
        with contextlib.suppress(AssetBusyError):  # no earlier run of this request holds them then
            await self._lock(run, self.claimed.clock_ns())
        try:
            for step in run.plan.steps:
                if step.effect not in READS and await self.claimed.journal.is_claimed(run.key, step.number):
                    raise LockLostError(f"another run of this request has begun step {step.number}")
        finally:
            await self.locks.release(run.tokens)

    async def _lock(self, run: Run, wait_until_ns: int) -> None:
        assets = sorted({step.asset_id for step in run.plan.steps if step.effect not in READS and step.asset_id})
        with span("lock assets", Stage.EXECUTOR_COMPUTE):
            run.tokens, run.held_until_ns = await self.locks.acquire(
                assets, run.id, run.key, _holding_ns(run.plan), run.deadline_ns, wait_until_ns
            )

    async def _while_busy(self, run: Run, step: Step, error: AssetBusyError) -> Ended:
        """The end of a step while another request changes its asset: what was claimed before has its own outcome."""
        if step.number in run.claims or step.number in run.outcomes:
            return Ended(step, change=await self._change(run, step))
        return Ended(step, refused=error)

    async def _check_untold(self, run: Run, ends: list[Ended]) -> None:
        """Return only where every change that is told as not begun is so for good. Raises LockLostError: read it anew.

        Another run of this request may have claimed one since the facts were read, or have taken over while this
        process was paused: what that one does counts. With the locks taken before this look, no earlier run begins one
        after it.
        """
        untold = [end.step.number for end in ends if end.change is None and end.step.effect not in READS]
        if not untold:
            return
        if not await self.locks.is_held(run.tokens):
            raise LockLostError("another run of this request has taken over")
        for number in untold:
            if await self.claimed.journal.is_claimed(run.key, number):
                raise LockLostError(f"another run of this request has begun step {number}")

    async def _all(self, run: Run) -> list[Ended]:
        waiting = {step.number: step for step in run.plan.steps}
        done: dict[int, Ended] = {}
        tasks: dict[asyncio.Task[Ended], int] = {}
        fault: BaseException | None = None
        try:
            while tasks or (waiting and fault is None):
                for step in _ready(waiting, done)[: PARALLEL_MAX - len(tasks)] if fault is None else ():
                    del waiting[step.number]
                    tasks[asyncio.create_task(self._one(run, step, dict(done)))] = step.number
                finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    number, failed = tasks.pop(task), task.exception()
                    if failed is None:
                        done[number] = task.result()
                    fault = fault or failed  # nothing more is begun; what runs beside it comes to its end
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if fault is not None:
            raise fault
        return [done[step.number] for step in run.plan.steps]

    async def _one(self, run: Run, step: Step, done: dict[int, Ended]) -> Ended:
        if step.effect not in READS and (step.number in run.outcomes or step.number in run.claims):
            return Ended(step, change=await self._change(run, step))
        if _is_stopped(run, step, done):
            return Ended(step)
        if step.effect in READS:
            return Ended(step, read=await self.read(run, step))
        try:
            return Ended(step, change=await self._change(run, step))
        except RetryableError:
            raise
        except OpswireError as error:
            return Ended(step, refused=error)

    async def _change(self, run: Run, step: Step) -> StepFinished:
        asset = next((each for each in run.context.assets if each.id == step.asset_id), None)
        with span(f"tool {step.tool}", Stage.TOOL_RUN, {"opswire.tool": step.tool, "step": step.number}) as current:
            if asset is not None:
                current.set("opswire.asset", asset.name)
            outcome = await self.claimed.run(run, step)
            current.set("opswire.step.status", outcome.status)
            if outcome.status != "succeeded":
                current.status = "ERROR"
                current.set("error.type", outcome.code or outcome.status)
            return outcome


def _holding_ns(plan: PlanMade) -> int:
    """How long the plan may need its locks: its steps one after the other, each once waited for as a lost run's."""
    return running_ns(plan) + len(plan.steps) * (GRACE_NS + PUBLISHING_NS)


def _ready(waiting: dict[int, Step], done: dict[int, Ended]) -> list[Step]:
    """Steps that nothing has to be waited for any more; what depends on a step that is not in the plan never is."""
    ready = [step for step in waiting.values() if all(number in done for number in step.after)]
    if not ready and waiting and not any(number in waiting for step in waiting.values() for number in step.after):
        return list(waiting.values())
    return ready


def _is_stopped(run: Run, step: Step, done: dict[int, Ended]) -> bool:
    """Whether the step must not be begun: it needs one that did not succeed, or a failure stops what is left."""
    if run.ended.is_set():
        return True
    needs = [done.get(number) for number in step.after]
    if any(end is None or not end.succeeded for end in needs):
        return True
    return any(not end.succeeded and end.step.on_failure == "stop" for end in done.values())
