"""Puts together what runs plans that change something, once the service is connected. Used by app.py alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from opswire.chassis.service import Service
from opswire.chassis.stream_guard import StreamGuard
from opswire.chassis.ticks import DeadlineTicks
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.routes import CANCELLATION_REQUESTED, FACTS, STEP_CLAIMED
from opswire.executor.adapters.current_assets import CurrentAssets
from opswire.executor.adapters.journal import Journal
from opswire.executor.adapters.locks import Locks
from opswire.executor.adapters.modes import Modes
from opswire.executor.adapters.outputs import Outputs
from opswire.executor.adapters.progress import Progress
from opswire.executor.adapters.rule_files import RuleFiles
from opswire.executor.errors import ToolError
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.cells import counted
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import ToolCall, ToolResult, Tools
from opswire.executor.usecases.claims import ClaimedSteps, Run
from opswire.executor.usecases.decide import Deciding
from opswire.executor.usecases.execute import Executor
from opswire.executor.usecases.guard import Guard
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.proceed import Proceed, ProposesPlans, Words
from opswire.executor.usecases.run import call_of, run_step, running_until
from opswire.executor.usecases.story import Key
from opswire.executor.usecases.touched import Invalidations, invalidate_touched

MakePlan = Callable[[ContextResolved], PlanMade]


class Wiring:
    """The parts that need a connection, made of the service's own."""

    def __init__(
        self,
        service: Service,
        tools: Tools,
        reading: Tools,
        progress: Progress,
        rules: RuleFiles,
        modes: Modes,
        stream_guard: StreamGuard,
        invalidations: Invalidations,
        catalogue: Callable[[], Catalogue] | None = None,
    ) -> None:
        """`tools` are for claimed steps alone; `reading` are those that whoever only reads may run.

        `catalogue` is the one in force; None where the tools are not a catalogue's.
        """
        self._catalogue = catalogue
        self._tools = tools
        self._reading = reading
        self._progress = progress
        self._stream_guard = stream_guard
        self._invalidations = invalidations
        self._ticks = DeadlineTicks()
        self._service = service
        self._rules = rules
        self._modes = modes
        client = service.bus.client
        self.journal = Journal(client, service.sender)
        self._assets = CurrentAssets(client)
        self._outputs = Outputs(client)
        self._locks = Locks(client, service.sender.publisher)

    def proceed(self, make_plan: MakePlan, propose: ProposesPlans | None = None, words: Words | None = None) -> Proceed:
        """What every handler calls."""
        deciding = Deciding(self._rules.people, self._rules.policy, catalogue=self._catalogue or packaged_catalogue)
        guard = Guard(
            mode=self._modes,
            assets=self._assets,
            locks=self._locks,
            is_cancelled=self._is_cancelled,
            nothing_is_lost=self._stream_guard.check,
            deciding=deciding,
            is_as_planned=self._is_as_planned,
        )
        executor = Executor(self._locks, self._claimed(guard), self._read)
        proceed = Proceed(
            journal=self.journal,
            make_plan=make_plan,
            policy=self._rules.policy,
            deciding=deciding,
            guard=guard,
            assets=self._assets,
            executor=executor,
            schedule=self._schedule,
            waiting=self._waiting,
            propose=propose,
            words=words,
        )
        self._modes.on_stopped.append(proceed.running.end_all)
        return proceed

    def _is_as_planned(self, step: Step) -> bool:
        return self._catalogue is None or self._catalogue().is_as_planned(step)

    def _claimed(self, guard: Guard) -> ClaimedSteps:
        return ClaimedSteps(
            journal=self.journal,
            guard=guard,
            executor=f"{socket.gethostname()}/{os.getpid()}"[:256],
            tool=self._tool,
            call=self._call,
            invalidate=self._invalidate,
            keep_high_water=self._keep_high_water,
            keep_output=self._keep_output,
        )

    async def _keep_output(self, run: Run, step: Step, result: ToolResult) -> str | None:
        return await self._outputs.keep(run.key, step.number, result)

    async def _tool(self, call: ToolCall) -> ToolResult:
        tool = self._tools.get(call.step.tool)
        if tool is None:
            raise ToolError(f"no tool {call.step.tool} is known here")
        return await tool(call)

    def _call(self, run: Run, step: Step) -> ToolCall:
        call = call_of(step, run.context)
        return ToolCall(
            call.step,
            call.context,
            call.asset,
            call.host,
            call.target,
            on_output=self._progress.output_of(run.key, step.number),
        )

    async def _read(self, run: Run, step: Step) -> StepOutcome:
        return await run_step(call_of(step, run.context), running_until(run.deadline_ns, self._reading))

    async def _invalidate(self, run: Run, step: Step) -> None:
        await invalidate_touched([step], run.context, self._invalidations)

    async def _keep_high_water(self, key: Key, step: int) -> None:
        sequence = await self.journal.sequence(key, STEP_CLAIMED, number=str(step))
        await self._stream_guard.keep(FACTS, sequence)

    async def _is_cancelled(self, key: Key) -> bool:
        return await self.journal.exists(key, CANCELLATION_REQUESTED)

    async def _schedule(self, at_ns: int) -> None:
        await self._ticks.ensure(self._service.sender, at_ns)

    async def _waiting(self, key: Key, asked: ApprovalRequested) -> None:
        people = counted(asked.people_needed, "person", "people")
        left_min = max(0, asked.expires_ns - asked.asked_ns) // 60_000_000_000
        await self._progress.say(
            key,
            f"waiting for {people} of the role {asked.role} to approve within {left_min} min: "
            f"opswire approvals show {key.request_id}",
        )
