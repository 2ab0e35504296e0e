"""The outcome of a request whose plan was run, or could not be."""

from __future__ import annotations

from opswire.chassis.errors import OpswireError
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Mark
from opswire.contracts.request_finished import Answer, AssetReference, RequestFinished
from opswire.contracts.request_finished.endings import ended, timings_of
from opswire.contracts.types import FinishStatus
from opswire.executor.errors import NoAutomaticPlanError, ToolError


def finished(context: ContextResolved, answer: Answer, mark: Mark) -> RequestFinished:
    """The completed request: its answer, what was understood, and the assets at the generation they were read."""
    return RequestFinished(
        request_id=context.request_id,
        status=FinishStatus.COMPLETED,
        answer=answer,
        intent=context.intent,
        assets=references_of(context),
        timings=timings_of(context.accepted_ns, mark.sent_ns, [*context.marks, mark]),
    )


def refused(context: ContextResolved, error: OpswireError, mark: Mark) -> RequestFinished:
    """The outcome of a request that cannot go on; rows that were found all the same go with it."""
    outcome = ended(context.request_id, error.failure, context.accepted_ns, mark.sent_ns, context, (), mark)
    update: dict[str, object] = {"assets": references_of(context)}
    if isinstance(error, NoAutomaticPlanError | ToolError) and error.answer is not None:
        update["answer"] = error.answer
    return outcome.model_copy(update=update)


def references_of(context: ContextResolved) -> list[AssetReference]:
    """The assets that an outcome speaks of."""
    return [
        AssetReference(
            id=asset.id,
            name=asset.name,
            type=asset.type,
            environment=asset.environment,
            generation=asset.generation,
        )
        for asset in context.assets
    ]
