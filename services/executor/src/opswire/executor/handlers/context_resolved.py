"""A context arrives: plan, publish the plan, run it, publish the one outcome."""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.delivery import Delivery
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.routes import PLAN_MADE, PROGRESS_REPORTED, REQUEST_FINISHED
from opswire.executor.rules.tools import Tools
from opswire.executor.usecases.finish import finished
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan


class HandleContextResolved:
    """Translates between the bus and the use cases."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def __call__(self, context: ContextResolved, delivery: Delivery) -> None:
        """Publish plan and outcome. The plan is fixed before a tool runs and stored before the outcome is."""
        plan = make_plan(context)
        storing = asyncio.create_task(delivery.publish(PLAN_MADE, plan))
        try:
            if any(step.asset_id is not None for step in plan.steps):
                doing = f"running {len(plan.steps)} step{'s' if len(plan.steps) != 1 else ''}: {plan.steps[0].tool}"
                progress = ProgressReported(
                    request_id=context.request_id, service="executor", doing=doing, at_ns=time.time_ns()
                )
                await delivery.report(PROGRESS_REPORTED, progress)
            answer = await run_plan(plan, context, self._tools, context.deadline_ns)
        finally:
            await storing
        await delivery.publish(REQUEST_FINISHED, finished(context, answer, delivery.mark("executor")))
