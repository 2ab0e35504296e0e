"""Puts the executor together; the only file here that sees everything."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version

from nats.errors import Error as NatsError
from opswire.chassis.delivery import Delivery
from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.service import Service
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.routes import CONTEXT_RESOLVED, DEADLINE_PASSED, REQUEST_FINISHED
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import NoAutomaticPlanError, ToolError
from opswire.executor.handlers.context_resolved import HandleContextResolved
from opswire.executor.handlers.deadline_passed import HandleDeadlinePassed
from opswire.executor.settings import ExecutorSettings
from opswire.executor.usecases.expire import expired
from opswire.executor.usecases.finish import references_of


def create_app(settings: ExecutorSettings | None = None) -> Service:
    """The executor, ready to run."""
    settings = settings or ExecutorSettings()
    service = Service("executor", version("opswire-executor"), settings)
    drivers = Drivers(settings.drivers())
    service.at_end.append(drivers.close)
    service.on(CONTEXT_RESOLVED, HandleContextResolved(drivers.tools))
    service.on(DEADLINE_PASSED, HandleDeadlinePassed())
    service.end_request = end_request

    async def sweep() -> None:
        open_requests = OpenRequests(service.bus.client, service.sender.facts)
        while True:
            try:
                await end_overdue(service, open_requests)
            except (NatsError, RetryableError, ConnectionError, TimeoutError) as error:
                get_logger().info("sweep put off", reason=str(error))
            await asyncio.sleep(settings.sweep_interval_s)

    service.background.append(sweep)
    return service


async def end_overdue(service: Service, open_requests: OpenRequests) -> None:
    """Publish `expired` for every request whose deadline passed unnoticed. Raises RetryableError and nats' errors."""
    for request in await open_requests.overdue():
        outcome = expired(request.request_id, request.accepted_ns, time.time_ns())
        subject = REQUEST_FINISHED.subject(source=request.source, request_id=request.request_id)
        if await service.sender.send(REQUEST_FINISHED, subject, outcome):
            get_logger().warning("overdue request ended by the sweep", request=f"{request.source}/{request.request_id}")
        open_requests.forget(request)


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
