"""Faults that a careless change could bring back, each by name: what watches the crashes must catch every one."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from change_scene import Scene
from opswire.contracts.step_finished import StepFinished
from opswire.executor.usecases import claims as claims_module
from opswire.executor.usecases.claims import ClaimedSteps, Run
from opswire.executor.usecases.limits import Ending


def none(_: Scene) -> None:
    """The executor as it is."""


def claim_after_tool(scene: Scene) -> None:
    """The tool runs first, and is claimed when it is done."""

    async def run(self: ClaimedSteps, run: Run, step: Any) -> StepFinished:
        if step.number in run.outcomes:
            return run.outcomes[step.number]
        if step.number in run.claims:
            return await self._await_other(run, step, run.claims[step.number])
        call = self.call(run, step)
        await self.tool(call)
        claim = await self._claim(run, step)
        ending = Ending(result=claims_module.ToolResult(()))
        return await self._publish(run, self._outcome(run, step, ending, None, claim.claimed_ns, claim.claimed_ns))

    _patch(scene, run=run)


def claim_is_nobodys(scene: Scene) -> None:
    """A claim of another run counts as one's own: the step is tried again."""

    async def run(self: ClaimedSteps, run: Run, step: Any) -> StepFinished:
        claim = run.claims.get(step.number)
        if step.number not in run.outcomes and claim is not None:
            return await self._begin(run, step, claim.model_copy(update={"deadline_ns": run.deadline_ns}))
        return await ClaimedSteps.run(self, run, step)

    _patch(scene, run=run)


def unknown_is_guessed(scene: Scene) -> None:
    """What became of a lost run is taken for done."""

    async def await_other(self: ClaimedSteps, run: Run, step: Any, claim: Any) -> StepFinished:
        ending = Ending(result=claims_module.ToolResult(()))
        return await self._publish(run, self._outcome(run, step, ending, None, claim.claimed_ns, claim.claimed_ns))

    _patch(scene, _await_other=await_other)


def nobody_is_asked(scene: Scene) -> None:
    """What needs people is run without them."""
    text = scene.policy_file.read_text()
    text = text.replace("environments: [development]", "environments: [development, staging]")
    scene.policy_file.write_text(text)


def step_is_forgotten(scene: Scene) -> None:
    """The outcome of a step is not published; only the finish is."""

    async def publish(self: ClaimedSteps, run: Run, outcome: StepFinished) -> StepFinished:
        run.outcomes[outcome.number] = outcome
        return outcome

    _patch(scene, _publish=publish)


def another_run_each_time(scene: Scene) -> None:
    """Outcomes and claims of earlier runs are not looked at, and a refused claim is ignored."""

    async def claim(self: ClaimedSteps, run: Run, step: Any) -> Any:
        found = await ClaimedSteps._claim(self, run, step)
        return found.model_copy(update={"run_id": run.id, "deadline_ns": run.deadline_ns})

    async def run(self: ClaimedSteps, run: Run, step: Any) -> StepFinished:
        run.claims.pop(step.number, None)
        run.outcomes.pop(step.number, None)
        run.id = secrets.token_hex(16)
        return await ClaimedSteps.run(self, run, step)

    _patch(scene, _claim=claim, run=run)


def lock_is_ignored(scene: Scene) -> None:
    """Whoever comes changes the asset, whoever else does."""

    async def acquire(*given: Any) -> tuple[dict[str, int], int]:
        *_, deadline_ns, _ = given
        return {}, deadline_ns

    locks = SimpleNamespace(acquire=acquire, is_held=_yes, release=_yes)
    object.__setattr__(scene.proceed.executor, "locks", locks)
    object.__setattr__(scene.proceed.guard, "locks", locks)


async def _yes(*_: Any) -> bool:
    return True


def _patch(scene: Scene, **methods: Callable[..., Any]) -> None:
    """The same steps with some methods replaced."""
    kind = type("Careless", (ClaimedSteps,), {"__slots__": (), **methods})
    claimed = scene.proceed.executor.claimed
    fields = {field.name: getattr(claimed, field.name) for field in dataclasses.fields(ClaimedSteps)}
    object.__setattr__(scene.proceed.executor, "claimed", kind(**fields))


BUGS: dict[str, Callable[[Scene], None]] = {
    bug.__name__: bug
    for bug in (
        none,
        claim_after_tool,
        claim_is_nobodys,
        unknown_is_guessed,
        nobody_is_asked,
        step_is_forgotten,
        another_run_each_time,
        lock_is_ignored,
    )
}

CONTESTED = ("lock_is_ignored",)
"""Faults that bite only where two requests change one asset."""
WAYS = {"nobody_is_asked": ("asking",)}
"""Where a fault bites; the others when people have approved."""
