"""From context to plan: pure and deterministic, made before anything untrusted is read.

Every step's arguments are data out of entities and the inventory. What may not or cannot be planned ends in one of
the refusals of errors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opswire.chassis.statements import digest_of_steps
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.request_finished import Answer
from opswire.contracts.taxonomy import INTENTS, IntentName
from opswire.contracts.types import STEPS_MAX
from opswire.executor.errors import (
    NoAutomaticPlanError,
    OutOfScopeError,
    TooManyTargetsError,
)
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.cells import listed
from opswire.executor.usecases.diagnose import plan_diagnosis
from opswire.executor.usecases.plan_changes import (
    plan_backup,
    plan_command,
    plan_config,
    plan_delete,
    plan_release,
    plan_restore,
    plan_scale,
    plan_units,
)
from opswire.executor.usecases.plan_connectivity import plan_connectivity
from opswire.executor.usecases.plan_reads import (
    plan_file,
    plan_help,
    plan_inventory,
    plan_logs,
    plan_metrics,
    plan_status,
)
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.tables import alert_table

Planner = Callable[[ContextResolved], list[StepDraft]]

PLANNERS: dict[IntentName, Planner] = {
    IntentName.ASSET_LIST: plan_inventory,
    IntentName.ASSET_COUNT: plan_inventory,
    IntentName.ASSET_GET: plan_inventory,
    IntentName.STATUS_CHECK: plan_status,
    IntentName.METRICS_QUERY: plan_metrics,
    IntentName.LOGS_SEARCH: plan_logs,
    IntentName.DIAGNOSE_CONNECTIVITY: plan_connectivity,
    IntentName.DIAGNOSE_ISSUE: plan_diagnosis,
    IntentName.FILE_READ: plan_file,
    IntentName.SYSTEM_HELP: plan_help,
    IntentName.SERVICE_RESTART: plan_units,
    IntentName.SERVICE_START: plan_units,
    IntentName.SERVICE_STOP: plan_units,
    IntentName.SERVICE_SCALE: plan_scale,
    IntentName.COMMAND_RUN: plan_command,
    IntentName.CONFIG_UPDATE: plan_config,
    IntentName.RELEASE_DEPLOY: plan_release,
    IntentName.RELEASE_ROLLBACK: plan_release,
    IntentName.DATA_BACKUP: plan_backup,
    IntentName.DATA_RESTORE: plan_restore,
    IntentName.DATA_DELETE: plan_delete,
}


def make_plan(context: ContextResolved, catalogue: Catalogue | None = None) -> PlanMade:
    """The plan of an intent that has one obvious way. The same context and catalogue always give the same plan.

    Raises OutOfScopeError, NoAutomaticPlanError (with the
    alerts as rows), IncompleteRequestError, TooManyTargetsError or PathRefusedError.
    """
    intent = context.intent.name
    if intent is IntentName.OUT_OF_SCOPE:
        raise OutOfScopeError(
            "This is not a question about operations; ask about hosts, services, their state, logs, files or "
            'connections, for example "is checkout running on web-01?".'
        )
    planner = PLANNERS.get(intent)
    drafts = planner(context) if planner is not None else []
    if not drafts:
        raise _no_plan(context)
    return numbered(context, drafts, catalogue)


def digest_of(steps: Sequence[Step]) -> str:
    """SHA-256, in lower-case hexadecimal, of the canonical JSON of the steps: sorted keys, no white space, UTF-8."""
    return digest_of_steps(step.model_dump(mode="json", exclude_none=True) for step in steps)


def numbered(context: ContextResolved, drafts: Sequence[StepDraft], catalogue: Catalogue | None = None) -> PlanMade:
    """The plan of these steps, in this order. Raises TooManyTargetsError, BadArgumentError or PathRefusedError."""
    if len(drafts) > STEPS_MAX:
        raise TooManyTargetsError(
            f"This would take {len(drafts)} steps and at most {STEPS_MAX} are made for one request; "
            "name fewer assets, or one environment, type or site."
        )
    steps = [draft.step(number, context.request_id, catalogue) for number, draft in enumerate(drafts, start=1)]
    return PlanMade(request_id=context.request_id, intent=context.intent.name, steps=steps, digest=digest_of(steps))


def _no_plan(context: ContextResolved) -> NoAutomaticPlanError:
    answer: Answer | None = None
    sentence = f"{_understood(context)} No automatic plan is known for this; a person must look."
    if context.alerts:
        answer = alert_table(context.alerts, sentence)
    return NoAutomaticPlanError(sentence, answer)


def _understood(context: ContextResolved) -> str:
    intent = context.intent.name
    parts = [f"Understood as {intent.value} ({INTENTS[intent].means})"]
    if context.assets:
        parts.append(f"about {listed([asset.name for asset in context.assets])}")
    if context.alerts:
        names = list(dict.fromkeys(alert.name for alert in context.alerts))
        parts.append(f"with {len(context.alerts)} alert{'s' if len(context.alerts) > 1 else ''}: {listed(names)}")
    return " ".join(parts) + "."
