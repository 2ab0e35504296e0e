"""A context arrives: plan, publish the plan, run it, publish the one outcome."""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.delivery import Delivery
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.request_finished import Answer
from opswire.contracts.routes import PLAN_MADE, PROGRESS_REPORTED, REQUEST_FINISHED
from opswire.executor.rules.cells import counted
from opswire.executor.rules.tools import Tools, reaches_out
from opswire.executor.usecases.finish import finished
from opswire.executor.usecases.kept_results import KeptResults
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan
from opswire.executor.usecases.touched import Invalidations, invalidate_touched


class HandleContextResolved:
    """Translates between the bus and the use cases."""

    def __init__(self, tools: Tools, kept: KeptResults, invalidations: Invalidations) -> None:
        self._tools = tools
        self._kept = kept
        self._invalidations = invalidations

    async def __call__(self, context: ContextResolved, delivery: Delivery) -> None:
        """Publish the outcome, and before it the plan where a step leaves the executor.

        Such a plan is fixed before a tool runs and stored before the outcome is; the two need not wait for each other.
        Whatever the outcome, also that of a failure, no cache serves what the plan touched by then.
        """
        plan = make_plan(context)
        try:
            if reaches_out(plan):
                answer = await self._run_recorded(plan, context, delivery)
            else:
                answer = await run_plan(plan, context, self._tools, context.deadline_ns)
        finally:
            await invalidate_touched(plan, context, self._invalidations)
        await delivery.publish(REQUEST_FINISHED, finished(context, answer, delivery.mark("executor")))

    async def _run_recorded(self, plan: PlanMade, context: ContextResolved, delivery: Delivery) -> Answer:
        storing = asyncio.create_task(delivery.publish(PLAN_MADE, plan))
        try:
            doing = f"running {counted(len(plan.steps), 'step')}: {plan.steps[0].tool}"
            progress = ProgressReported(
                request_id=context.request_id, service="executor", doing=doing, at_ns=time.time_ns()
            )
            await delivery.report(PROGRESS_REPORTED, progress)
            fresh = delivery.envelope.is_fresh
            return await run_plan(plan, context, self._tools, context.deadline_ns, kept=self._kept, fresh=fresh)
        finally:
            await storing
