"""What a plan may have changed is out of date before anybody hears that it was changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import Step
from opswire.contracts.taxonomy import Effect
from opswire.executor.rules.caching import asset_tags
from opswire.executor.rules.targets import asset_by_id, host_of


class Invalidations(Protocol):
    """Puts what is kept out of date, in every process."""

    async def invalidate(self, tags: list[str], cause: str) -> Any:
        """Returns when no process serves what carries any of `tags`. Raises RetryableError when it could not be."""


def touched_tags(steps: Iterable[Step], context: ContextResolved) -> list[str]:
    """The assets that the changing steps touch, their hosts and their targets; none where all only look.

    What lives on a host carries the host's tag as well, so a host that is touched covers it.
    """
    tags: list[str] = []
    for step in steps:
        if step.effect in (Effect.NONE, Effect.READ):
            continue
        asset = asset_by_id(context, step.asset_id)
        target_id = step.arguments.get("target_asset_id")
        target = asset_by_id(context, target_id) if isinstance(target_id, str) else None
        hosts = [host_of(one, context) for one in (asset, target) if one is not None]
        tags += asset_tags(asset, target, *hosts)
    return list(dict.fromkeys(tags))


async def invalidate_touched(steps: Iterable[Step], context: ContextResolved, invalidations: Invalidations) -> None:
    """Return when no cache serves what the steps touched, whether they succeeded, failed or are unknown."""
    tags = touched_tags(steps, context)
    if tags:
        await invalidations.invalidate(tags, f"request:{context.request_id}")
