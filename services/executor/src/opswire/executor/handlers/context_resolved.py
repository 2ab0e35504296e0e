"""A context arrives: plan; run at once what only reads and needs nobody, and let the facts decide about the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from opswire.chassis.delivery import Delivery
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.request_finished import Answer
from opswire.contracts.routes import PLAN_MADE, REQUEST_FINISHED
from opswire.executor.adapters.progress import Progress
from opswire.executor.rules.cells import counted
from opswire.executor.rules.tools import Tools, reaches_out
from opswire.executor.usecases.finish import finished
from opswire.executor.usecases.kept_results import KeptResults
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.run import run_plan
from opswire.executor.usecases.story import Key
from opswire.executor.usecases.summarise_by_model import SummariseByModel


class HandleContextResolved:
    """Translates between the bus and the use cases. `proceed` exists when the service is connected."""

    def __init__(
        self,
        tools: Tools,
        kept: KeptResults,
        progress: Progress,
        proceed: Callable[[], Proceed],
        summarise: SummariseByModel | None = None,
    ) -> None:
        self._tools = tools
        self._kept = kept
        self._progress = progress
        self._proceed = proceed
        self._summarise = summarise

    async def __call__(self, context: ContextResolved, delivery: Delivery) -> None:
        """Publish the outcome, and before it the plan where a step leaves the executor.

        A plan is fixed before a tool runs; one that only reads is stored while it runs. Nothing is published yet where
        people are waited for.
        """
        proceed, key = self._proceed(), Key(delivery.variables["source"], context.request_id)
        plan = await proceed.plan_of(key, context)
        if not reaches_out(plan):
            answer = await run_plan(plan, context, self._tools, context.deadline_ns)
        elif proceed.may_read_at_once(key, plan, context):
            answer = await self._run_recorded(key, plan, context, delivery)
        else:
            outcome = await proceed(key, lambda: delivery.mark("executor"))
            if outcome is not None:
                await delivery.publish(REQUEST_FINISHED, outcome)
            return
        await delivery.publish(REQUEST_FINISHED, finished(context, answer, delivery.mark("executor")))

    async def _run_recorded(self, key: Key, plan: PlanMade, context: ContextResolved, delivery: Delivery) -> Answer:
        storing = asyncio.create_task(delivery.publish(PLAN_MADE, plan))
        try:
            await self._progress.say(key, f"running {counted(len(plan.steps), 'step')}: {plan.steps[0].tool}")
            fresh = delivery.envelope.is_fresh
            tell = None if self._summarise is None else partial(self._summarise, key)
            return await run_plan(
                plan, context, self._tools, context.deadline_ns, kept=self._kept, fresh=fresh, tell=tell
            )
        finally:
            await storing
