"""Runs a plan's steps and makes the one answer of what they found.

The steps of today's plans only read and do not depend on each other, so all run at once, eight at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from opswire.chassis.errors import DeadlineError, OpswireError
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import span
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.request_finished import Answer
from opswire.contracts.taxonomy import Effect
from opswire.executor.errors import ApprovalRequiredError, PlanChangedError, ToolError, ToolTimeoutError
from opswire.executor.rules.targets import asset_by_id, host_of
from opswire.executor.rules.tools import Record, ToolCall, Tools
from opswire.executor.usecases.findings import findings_of, is_mixed
from opswire.executor.usecases.follow_up import follow_ups, next_line
from opswire.executor.usecases.kept_results import NOT_KEPT, Found, KeptResults
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.plan import digest_of
from opswire.executor.usecases.summarise import summarise
from opswire.executor.usecases.tables import make_answer

PARALLEL_MAX = 8
# What stays of the deadline for publishing the finish: a tenth, and never more than half a second.
RESERVE_SHARE = 0.1
RESERVE_S_MAX = 0.5


Tell = Callable[[ContextResolved, Sequence[StepOutcome], Answer], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Running:
    """What the steps of one plan share. `ends_at` is of the loop's clock."""

    tools: Tools
    slots: asyncio.Semaphore
    ends_at: float
    kept: KeptResults | None
    fresh: bool


async def run_plan(
    plan: PlanMade,
    context: ContextResolved,
    tools: Tools,
    deadline_ns: int,
    clock_ns: Callable[[], int] = time.time_ns,
    *,
    kept: KeptResults | None = None,
    fresh: bool = False,
    tell: Tell | None = None,
) -> Answer:
    """Run every step and answer. `deadline_ns` and the clock are nanoseconds since 1970.

    Steps are answered out of `kept` where that may be; with `fresh` every tool runs. `tell` may say the answer in other
    words when the last tool has ended.

    A step that fails beside others becomes a row with its error. Raises PlanChangedError before anything is run when
    plan and context do not belong together, DeadlineError when no time is left, and when every step failed the error
    that they share (HostUnreachableError, ...), or ToolError when they differ; its `answer` then holds the rows.
    """
    calls = _checked_calls(plan, context)
    running = running_until(deadline_ns, tools, clock_ns, kept=kept, fresh=fresh)
    outcomes = await _outcomes(calls, running)
    answer = _answer(context, outcomes)
    return answer if tell is None else await tell(context, outcomes, answer)


async def _outcomes(calls: Sequence[ToolCall], running: Running) -> list[StepOutcome]:
    if len(calls) == 1:  # the common case, and no task is needed for it
        return [await run_step(calls[0], running)]
    tasks = [asyncio.ensure_future(run_step(call, running)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def running_until(
    deadline_ns: int,
    tools: Tools,
    clock_ns: Callable[[], int] = time.time_ns,
    *,
    kept: KeptResults | None = None,
    fresh: bool = False,
) -> Running:
    """What steps share that must be done by a deadline. Raises DeadlineError when no time is left."""
    ends_at = asyncio.get_running_loop().time() + _budget_s(deadline_ns, clock_ns)
    return Running(tools, asyncio.Semaphore(PARALLEL_MAX), ends_at, kept, fresh)


def _checked_calls(plan: PlanMade, context: ContextResolved) -> list[ToolCall]:
    if plan.request_id != context.request_id or plan.intent is not context.intent.name:
        raise PlanChangedError("The plan belongs to another request; nothing of it is run.")
    if plan.digest != digest_of(plan.steps):
        raise PlanChangedError("The plan is not the one that was hashed; nothing of it is run.")
    changing = [step.tool for step in plan.steps if step.effect not in (Effect.NONE, Effect.READ)]
    if changing:
        raise ApprovalRequiredError(f"{changing[0]} would change something; only the claim protocol runs it.")
    return [call_of(step, context) for step in plan.steps]


def call_of(step: Step, context: ContextResolved) -> ToolCall:
    """The call of a step on the assets of the context. Raises PlanChangedError where they are not those planned for."""
    asset = asset_by_id(context, step.asset_id) if step.asset_id is not None else None
    if step.asset_id is not None and (asset is None or asset.generation != step.asset_generation):
        raise PlanChangedError(f"Asset {step.asset_id} is not the one that was planned for; ask again.")
    target_id = step.arguments.get("target_asset_id")
    target = asset_by_id(context, target_id) if isinstance(target_id, str) else None
    return ToolCall(step, context, asset, host_of(asset, context) if asset else None, target)


def _budget_s(deadline_ns: int, clock_ns: Callable[[], int]) -> float:
    left_s = (deadline_ns - clock_ns()) / 1e9
    budget_s = left_s - min(left_s * RESERVE_SHARE, RESERVE_S_MAX)
    if budget_s <= 0:
        raise DeadlineError("The deadline passed before a tool could be run.")
    return budget_s


async def run_step(call: ToolCall, running: Running) -> StepOutcome:
    """One step that only reads, within the slots and the time that the plan has left. Never raises for the tool."""
    async with running.slots:
        attributes: dict[str, str | int | float | bool] = {"opswire.tool": call.step.tool, "step": call.step.number}
        if call.asset is not None:
            attributes["opswire.asset"] = call.asset.name
        with span(f"tool {call.step.tool}", Stage.TOOL_RUN, attributes) as current:
            try:
                found = await _limited(call, running)
            except OpswireError as error:
                current.status = "ERROR"
                current.set("error.type", error.code)
                return StepOutcome(call, error=error)
            current.set("rows", len(found.result.records))
            current.set("opswire.cache.outcome", found.outcome)
            if found.age_s is not None:
                current.set("opswire.cache.age_ms", round(found.age_s * 1_000, 1))
            return StepOutcome(call, result=found.result, age_s=found.age_s)


async def _limited(call: ToolCall, running: Running) -> Found:
    tool = running.tools.get(call.step.tool)
    if tool is None:
        raise ToolError(f"no tool {call.step.tool} is known here")
    left_s = running.ends_at - asyncio.get_running_loop().time()
    limit_s = min(call.step.timeout_ms / 1_000, left_s)
    limit = asyncio.timeout(max(limit_s, 0))
    try:
        async with limit:
            if running.kept is None:
                return Found(await tool(call), NOT_KEPT)
            return await running.kept.run(tool, call, fresh=running.fresh)
    except TimeoutError:
        if not limit.expired():
            raise
        where = f" on {call.asset.name}" if call.asset else ""
        raise ToolTimeoutError(f"{call.step.tool}{where} was not done after {max(limit_s, 0):.1f} s") from None


def _answer(context: ContextResolved, outcomes: Sequence[StepOutcome]) -> Answer:
    if is_mixed(context, outcomes):
        sentence = summarise(context, outcomes) + next_line(follow_ups(context, outcomes))
        return make_answer(sentence, [finding.record for finding in findings_of(outcomes)])
    records: list[Record] = [record for outcome in outcomes for record in outcome.records]
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors and len(errors) == len(outcomes):
        raise _all_failed(errors, records)
    return make_answer(summarise(context, outcomes), records)


def _all_failed(errors: Sequence[OpswireError], records: Sequence[Record]) -> ToolError:
    sentences = list(dict.fromkeys(str(error) for error in errors))
    sentence = "; ".join(sentences[:3]) + (f"; and {len(sentences) - 3} more" if len(sentences) > 3 else "")
    kinds = {type(error) for error in errors}
    kind = kinds.pop()
    shared = kind if not kinds and issubclass(kind, ToolError) else ToolError
    return shared(sentence, make_answer(sentence, records) if len(records) > 1 else None)
