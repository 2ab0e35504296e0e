"""Puts the executor together; the only file here that sees everything."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.delivery import Delivery
from opswire.chassis.errors import OpswireError
from opswire.chassis.service import Service
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.routes import CONTEXT_RESOLVED, DEADLINES_DUE, REQUEST_FINISHED
from opswire.executor.adapters.invalidations import AcknowledgedInvalidations
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.overdue_ender import OverdueEnder
from opswire.executor.adapters.result_codec import ResultCodec
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import NoAutomaticPlanError, ToolError
from opswire.executor.handlers.context_resolved import HandleContextResolved
from opswire.executor.handlers.deadlines_due import HandleDeadlinesDue
from opswire.executor.rules.caching import CACHING, FAILURE_TTL_S, is_failure
from opswire.executor.settings import ExecutorSettings
from opswire.executor.usecases.finish import references_of
from opswire.executor.usecases.kept_results import Kept, KeptResults


def create_app(settings: ExecutorSettings | None = None) -> Service:
    """The executor, ready to run."""
    settings = settings or ExecutorSettings()
    service = Service("executor", version("opswire-executor"), settings)
    drivers = Drivers(settings.drivers())
    service.at_end.append(drivers.close)
    invalidator = Invalidator(service.bus, service.log)
    service.before_start.append(invalidator.start)
    invalidations = AcknowledgedInvalidations(invalidator)
    handler = HandleContextResolved(drivers.tools, _kept_results(service, settings), invalidations)
    service.on(CONTEXT_RESOLVED, handler)
    service.end_request = end_request

    @cache
    def overdue_ender() -> OverdueEnder:
        # Not before the service is connected: client and sender exist only then.
        return OverdueEnder(OpenRequests(service.bus.client, service.sender.facts), service.sender)

    async def end_overdue() -> None:
        await overdue_ender().end_overdue()

    async def sweep() -> None:
        await overdue_ender().sweep(settings.sweep_interval_s)

    service.on(DEADLINES_DUE, HandleDeadlinesDue(end_overdue))
    service.background.append(sweep)
    return service


def _kept_results(service: Service, settings: ExecutorSettings) -> KeptResults:
    """What tools found a moment ago, in memory and in Valkey."""
    valkey = Valkey(settings.valkey_url) if settings.valkey_url else None
    if valkey is not None:
        service.at_end.append(valkey.close)
    cache: Cache[Kept] = Cache(
        "tool_result",
        ResultCodec(),
        service.log,
        valkey,
        service.metrics,
        max(each.ttl_s for each in CACHING.values()),
        enabled=settings.cache == "on",
        family=lambda key: key.partition(":")[0],
        is_negative=lambda kept: is_failure(kept.result),
        negative_ttl_s=FAILURE_TTL_S,
    )
    return KeptResults(cache, f"{service.version}:{settings.drivers().version}")


async def end_request(delivery: Delivery, error: OpswireError) -> None:
    """Publish the outcome of a request that cannot go on; rows that were found all the same go with it."""
    mark = delivery.mark("executor")
    known = delivery.message if isinstance(delivery.message, ContextResolved) else None
    outcome = ended(delivery.variables["request_id"], error.failure, delivery.stored_ns, mark.sent_ns, known, (), mark)
    if known is not None:
        outcome = outcome.model_copy(update={"assets": references_of(known)})
    if isinstance(error, NoAutomaticPlanError | ToolError) and error.answer is not None:
        outcome = outcome.model_copy(update={"answer": error.answer})
    await delivery.publish(REQUEST_FINISHED, outcome)
