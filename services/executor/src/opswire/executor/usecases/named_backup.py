"""Which copy is meant by `the backup of request X`: the one that X planned to write, where it is on record as written.

Only facts of executors are asked: the path is that of a plan which was hashed and claimed, never of somebody's words.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset, Entity
from opswire.contracts.plan_made import Step
from opswire.contracts.step_finished import StepFinished
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType
from opswire.executor.errors import IncompleteRequestError
from opswire.executor.rules.cells import listed
from opswire.executor.rules.targets import asset_by_id, without_places
from opswire.executor.usecases.execute import Ended
from opswire.executor.usecases.story import Key, Story

BACKUP = "data.backup"
_NAMED = re.compile(
    r"\b(?:backup|copy|snapshot)\s+(?:of|by|from|made by)\s+(?:the\s+)?request\s+"
    r"(?:([a-z0-9-]{1,32})/)?([A-Za-z0-9_-]{1,64})(?![\w/-])",
    re.IGNORECASE,
)
_OR_BY_PATH = "Name the request that made the backup, or add the path of the copy."


async def with_named_backup(
    context: ContextResolved, key: Key, read: Callable[[Key], Awaitable[Story]]
) -> ContextResolved:
    """The context with the path of the copy that it names by a request; as it is where it names none.

    `key` is the request's own. Raises IncompleteRequestError where it cannot be that copy, RetryableError as `read`.
    """
    named = {Key(source or key.source, request_id) for source, request_id in _NAMED.findall(context.text)}
    targets = without_places(context.assets)
    if context.intent.name is not IntentName.DATA_RESTORE or not named or len(targets) != 1:
        return context
    if len(named) > 1:
        told = listed(sorted(each.request_id for each in named))
        raise IncompleteRequestError(f"From which copy? The requests {told} are named. {_OR_BY_PATH}")
    story = await read(named.pop())
    copy = Entity(type=EntityType.PATH, value=_copy_of(story, targets[0]))
    intent = context.intent.model_copy(update={"entities": [*context.intent.entities, copy]})
    return context.model_copy(update={"intent": intent})


def _copy_of(story: Story, target: Asset) -> str:
    """The one copy of the asset's database file that the request is known to have written."""
    name = story.key.request_id
    plan, context = story.agreed_plan, story.context
    if plan is None or context is None:
        raise IncompleteRequestError(f"From which copy? No plan of a request {name} is on record. {_OR_BY_PATH}")
    backups = [step for step in plan.steps if step.tool == BACKUP]
    if not backups:
        raise IncompleteRequestError(f"From which copy? Request {name} made no backup. {_OR_BY_PATH}")
    of_target = [step for step in backups if step.asset_id == target.id]
    if not of_target:
        assets = [asset_by_id(context, step.asset_id) for step in backups]
        others = listed([asset.name for asset in assets if asset is not None])
        raise IncompleteRequestError(
            f"From which copy? Request {name} backed up {others}, not {target.name}. {_OR_BY_PATH}"
        )
    if len(of_target) > 1:
        copies = listed([str(step.arguments.get("copy")) for step in of_target])
        raise IncompleteRequestError(f"From which copy? Request {name} made {copies}; add the path of one.")
    _check(story, of_target[0], target)
    return str(of_target[0].arguments["copy"])


def _check(story: Story, step: Step, target: Asset) -> None:
    """Return only where the copy is on record as written, and is of the file that the database has now."""
    name = story.key.request_id
    outcome = story.outcomes.get(step.number)
    if outcome is None or not Ended(step, change=outcome).succeeded:
        raise IncompleteRequestError(
            f"From which copy? The backup of {target.name} by request {name} {_became(outcome)}. {_OR_BY_PATH}"
        )
    path = target.attributes.get("data_path")
    if step.arguments.get("path") != path:
        raise IncompleteRequestError(
            f"From which copy? Request {name} backed up {step.arguments.get('path')}, and the file of {target.name} is "
            f"{path or 'not known'} by now; add the path of the copy."
        )


def _became(outcome: StepFinished | None) -> str:
    if outcome is None:
        return "has no outcome yet"
    return "did not pass its check" if outcome.status == "succeeded" else f"ended as {outcome.code or outcome.status}"
