"""What must hold at the very moment in which something is changed, asked anew before every such step."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from opswire.chassis.errors import DeadlineError
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.taxonomy import Effect
from opswire.executor.errors import PlanChangedError
from opswire.executor.errors_of_changes import (
    AssetChangedError,
    CancelledByRequesterError,
    ClaimLapsedError,
    LockLostError,
    ModeRefusesError,
)
from opswire.executor.rules.targets import asset_by_id, host_of
from opswire.executor.usecases.decide import Deciding
from opswire.executor.usecases.plan import digest_of
from opswire.executor.usecases.story import Key, Round

STRICTER = ("read_only", "stopped")


class CurrentAssets(Protocol):
    """What the inventory said last of assets."""

    async def last_changes(self, asset_ids: Iterable[str]) -> dict[str, AssetChanged]:
        """The last change of each asset that has one. Raises RetryableError."""


class Mode(Protocol):
    """What executors may do just now."""

    mode: str
    reason: str


class Locks(Protocol):
    """Who may change an asset."""

    async def is_held(self, tokens: dict[str, int]) -> bool:
        """Whether every token is still the last. Raises RetryableError."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The checks of one process. `nothing_is_lost` raises where the broker lost what it had acknowledged.

    `deciding` knows whether the round's approvals hold for exactly its plan and targets, now; `is_as_planned`, whether
    the catalogue in force says of a step's tool what the step says.
    """

    mode: Mode
    assets: CurrentAssets
    locks: Locks
    is_cancelled: Callable[[Key], Awaitable[bool]]
    nothing_is_lost: Callable[[], Awaitable[None]]
    deciding: Deciding
    is_as_planned: Callable[[Step], bool] = lambda _: True
    clock_ns: Callable[[], int] = time.time_ns

    async def check(
        self,
        key: Key,
        plan: PlanMade,
        step: Step,
        context: ContextResolved,
        agreed: Round | None,
        tokens: dict[str, int],
        deadline_ns: int,
        *,
        is_first: bool,
    ) -> None:
        """Return only where the step may be begun now. Raises what refuses it; nothing was begun then."""
        now_ns = self.clock_ns()
        if now_ns >= deadline_ns:
            raise DeadlineError("The deadline passed before the step could be begun.")
        self.check_mode(plan)
        if plan.digest != digest_of(plan.steps):
            raise PlanChangedError("The plan is not the one that was hashed; nothing more of it is run.")
        if not self.is_as_planned(step):
            raise PlanChangedError(f"The catalogue says something else of {step.tool} by now than when it was planned.")
        if agreed is not None:
            self.deciding.verify(key, agreed, context, begun=not is_first)
        else:
            self.deciding.require_leave(key, plan, context, begun=not is_first)
        if await self.is_cancelled(key):
            raise CancelledByRequesterError("It was cancelled before this step was begun.")
        await self.nothing_is_lost()
        await self.check_assets(touched(step, context))
        if not await self.locks.is_held(tokens):
            raise LockLostError("The lock of an asset was lost before the step could be begun.")

    async def check_claimed(self, key: Key, plan: PlanMade, tokens: dict[str, int]) -> None:
        """Return only where a step that is claimed by now may be begun. Raises what keeps it from that for ever.

        Whoever cancels, or takes the locks over, does so first and looks for claims then; here the claim was first. So
        one of the two sees the other, however long either of them was paused in between.
        """
        if await self.is_cancelled(key):
            raise CancelledByRequesterError("It was cancelled before it was begun.")
        if not await self.locks.is_held(tokens):
            raise ClaimLapsedError("The lock of its asset was lost before it could be begun.")
        if self.mode.mode in STRICTER:  # last, with nothing awaited in between; not known for a moment is no new mode
            self.check_mode(plan)

    def check_mode(self, plan: PlanMade) -> None:
        """Raise ModeRefusesError where executors may not run such a plan just now."""
        mode = self.mode.mode
        only_reads = all(step.effect in (Effect.NONE, Effect.READ) for step in plan.steps)
        if mode == "normal" or (only_reads and mode != "stopped"):
            return
        why = f": {self.mode.reason}" if self.mode.reason else ""
        what = "no tool is run" if mode == "stopped" else "nothing is changed"
        raise ModeRefusesError(f"Executors are {mode.replace('_', '-')}{why}; {what} until `opswire mode normal`.")

    async def check_assets(self, planned: dict[str, int]) -> None:
        """Raise AssetChangedError where an asset changed since it was planned for, by its generation."""
        changes = await self.assets.last_changes(planned)
        for asset_id, generation in planned.items():
            last = changes.get(asset_id)
            if last is not None and (last.kind == "deleted" or last.generation > generation):
                name = last.asset.name if last.asset is not None else asset_id
                was = (
                    "deleted" if last.kind == "deleted" else f"changed (generation {generation}, now {last.generation})"
                )
                raise AssetChangedError(f"{name} was {was} after this was planned.")


def touched(step: Step, context: ContextResolved) -> dict[str, int]:
    """The assets that a step speaks of, and the host that it logs in to, with the generation that was planned for."""
    asset = asset_by_id(context, step.asset_id)
    if asset is None:
        return {}
    host = host_of(asset, context)
    found = {asset.id: step.asset_generation or asset.generation}
    if host is not None:
        found.setdefault(host.id, host.generation)
    return found
