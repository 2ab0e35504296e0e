"""A model's words in the outcome of a plan that people approved: on what was looked at or printed, and no more.

What was changed, verified and approved, what failed and what is unknown the outcome says itself (conclude.py), whatever
a model says. It is asked after the last step has ended and the assets are free, has no tools, and is held to what the
outputs hold like every summary. Where a step was refused, where its outcome is unknown, or where the run was ended from
outside, nobody is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opswire.contracts.context_resolved import ContextResolved
from opswire.executor.rules.targets import asset_by_id, host_of
from opswire.executor.rules.tools import ToolCall, ToolResult
from opswire.executor.usecases.claims import Run
from opswire.executor.usecases.execute import Ended
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.story import Key


class SpeaksOfOutputs(Protocol):
    """Asks a model for words on outputs."""

    async def words(
        self, key: Key, context: ContextResolved, outcomes: Sequence[StepOutcome], deadline_ns: int
    ) -> str | None:
        """Its words with their sources, each of them supported by the outputs; None where the plain ones have to do."""


class SummariseEnds:
    """One per process."""

    def __init__(self, model: SpeaksOfOutputs) -> None:
        self._model = model

    async def __call__(self, run: Run, ends: Sequence[Ended]) -> str | None:
        """What a model says of the outputs before the run's deadline; None where there is nothing to say."""
        if run.ended.is_set() or any(_is_open(end) for end in ends):
            return None
        outcomes = outcomes_of(run.context, ends)
        if not _says_more_than_it_was_done(outcomes, ends):
            return None
        return await self._model.words(run.key, run.context, outcomes, run.deadline_ns)


def outcomes_of(context: ContextResolved, ends: Sequence[Ended]) -> list[StepOutcome]:
    """What steps found that looked, and what those printed that changed something and are done."""
    found = []
    for end in ends:
        if end.read is not None:
            found.append(end.read)
        elif end.change is not None and end.change.status == "succeeded" and end.change.rows:
            asset = asset_by_id(context, end.step.asset_id)
            call = ToolCall(end.step, context, asset, host_of(asset, context) if asset is not None else None)
            found.append(StepOutcome(call, result=ToolResult(tuple(end.change.rows))))
    return found


def _is_open(end: Ended) -> bool:
    return end.refused is not None or (end.change is not None and end.change.status == "unknown")


def _says_more_than_it_was_done(outcomes: Sequence[StepOutcome], ends: Sequence[Ended]) -> bool:
    """Whether anything was looked at, or a change printed more than its one line: the sentence says that one."""
    has_looked = any(end.read is not None and end.read.error is None for end in ends)
    return has_looked or any(len(outcome.found) > 1 for outcome in outcomes)
