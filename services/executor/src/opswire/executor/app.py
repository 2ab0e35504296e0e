"""Puts the executor together; the only file here that sees everything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from opswire.chassis.anchors import FileAnchors
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.delivery import Delivery
from opswire.chassis.errors import OpswireError
from opswire.chassis.high_water import HighWater
from opswire.chassis.inference.access import ModelAccess
from opswire.chassis.inference.call import OutputSchema
from opswire.chassis.service import Service
from opswire.chassis.stream_guard import StreamGuard
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.routes import (
    APPROVAL_GIVEN,
    CANCELLATION_REQUESTED,
    CONTEXT_RESOLVED,
    DEADLINES_DUE,
    REQUEST_FINISHED,
    RESOLUTION_RECORDED,
)
from opswire.executor.adapters.audit_log import AuditLog
from opswire.executor.adapters.cancellations import Cancellations
from opswire.executor.adapters.catalogue_files import CatalogueFiles
from opswire.executor.adapters.catalogue_in_force import CatalogueInForce
from opswire.executor.adapters.invalidations import AcknowledgedInvalidations
from opswire.executor.adapters.modes import Modes
from opswire.executor.adapters.open_request_metrics import tell_open_requests
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.overdue_ender import OverdueEnder
from opswire.executor.adapters.progress import Progress
from opswire.executor.adapters.reading_tools import ReadingTools
from opswire.executor.adapters.result_codec import ResultCodec
from opswire.executor.adapters.rule_files import RuleFiles
from opswire.executor.adapters.secrets import secrets_of
from opswire.executor.adapters.tools import Drivers
from opswire.executor.handlers.approval_given import HandleApprovalGiven
from opswire.executor.handlers.cancellation_requested import HandleCancellationRequested
from opswire.executor.handlers.context_resolved import HandleContextResolved
from opswire.executor.handlers.deadlines_due import HandleDeadlinesDue
from opswire.executor.handlers.resolution_recorded import HandleResolutionRecorded
from opswire.executor.rules.caching import FAILURE_TTL_S, is_failure
from opswire.executor.rules.tools import Tools
from opswire.executor.settings import ExecutorSettings
from opswire.executor.usecases.finish import refused
from opswire.executor.usecases.kept_results import Kept, KeptResults
from opswire.executor.usecases.proceed import Proceed
from opswire.executor.usecases.propose import ProposeByModel
from opswire.executor.usecases.summarise_by_model import SummariseByModel
from opswire.executor.usecases.summarise_ends import SummariseEnds
from opswire.executor.wiring import Wiring
from prometheus_client import Counter


def create_app(settings: ExecutorSettings | None = None) -> Service:
    """The executor, ready to run."""
    settings = settings or ExecutorSettings()
    service = Service("executor", version("opswire-executor"), settings)
    tools, catalogue = _tools(service, settings)
    invalidator = Invalidator(service.bus, service.log)
    service.before_start.append(invalidator.start)
    rules = RuleFiles(settings.policy_file, settings.people_file, settings.state_dir)
    modes = Modes(rules.people)
    reading = ReadingTools(tools, lambda: catalogue.current, modes)
    stream_guard = StreamGuard(service.bus.request_json, HighWater(settings.state_dir / "audit"))
    progress = Progress(lambda: service.sender)
    propose, summarise = _model_parts(service, settings, catalogue)

    @cache
    def proceed() -> Proceed:
        # Not before the service is connected: client and sender exist only then.
        invalidations = AcknowledgedInvalidations(invalidator)
        guards = modes, stream_guard, invalidations
        wiring = Wiring(service, tools, reading, progress, rules, *guards, lambda: catalogue.current)
        words = SummariseEnds(summarise) if summarise is not None else None
        return wiring.proceed(catalogue.make_plan, propose, words)

    @cache
    def overdue_ender() -> OverdueEnder:
        requests = OpenRequests(service.bus.client, service.sender.facts)
        return OverdueEnder(tell_open_requests(requests, service.metrics.registry), service.sender, proceed())

    async def get_ready() -> None:
        await asyncio.to_thread(stream_guard.high_water.load)
        await modes.ask(service.bus.client)

    async def end_overdue() -> None:
        await overdue_ender().end_overdue()

    async def sweep() -> None:
        await overdue_ender().sweep(settings.sweep_interval_s)

    kept = _kept_results(service, settings, catalogue)
    service.on(CONTEXT_RESOLVED, HandleContextResolved(reading, kept, progress, proceed, summarise))
    service.on(APPROVAL_GIVEN, HandleApprovalGiven(proceed))
    service.on(CANCELLATION_REQUESTED, HandleCancellationRequested(proceed))
    service.on(RESOLUTION_RECORDED, HandleResolutionRecorded(rules.people, progress, _counting_resolutions(service)))
    service.on(DEADLINES_DUE, HandleDeadlinesDue(end_overdue))
    service.end_request = end_request
    service.before_start.append(get_ready)
    service.background.append(sweep)
    _follow(service, modes, proceed)
    _keep_audit_trail(service, settings, stream_guard)
    return service


def _tools(service: Service, settings: ExecutorSettings) -> tuple[Tools, CatalogueInForce]:
    """The tools, and the catalogue that says what they are; both others at once when its files change."""
    secrets = secrets_of(settings.drivers().credentials_dir, settings.vault())
    files = CatalogueFiles(settings.catalogue_dir)
    drivers = Drivers(settings.drivers(), files.current, secrets=secrets, plugins=files.plugins)
    files.on_change(drivers.use)
    catalogue = CatalogueInForce(files, lambda: service.sender)
    service.details["catalogue"] = files.state
    service.background.append(catalogue.watch)
    service.at_end += [drivers.close, secrets.close]
    return drivers.tools, catalogue


def _model_parts(
    service: Service, settings: ExecutorSettings, catalogue: CatalogueInForce
) -> tuple[ProposeByModel | None, SummariseByModel | None]:
    """What asks a model, where file and environment name a server and the settings want it."""
    access = ModelAccess.open("executor", settings.inference_file, os.environ, service.metrics)
    if access is None or settings.model_plans == settings.model_summaries == "off":
        return None, None
    propose = ProposeByModel(access.client, access.is_there, lambda: catalogue.current)
    summarise = SummariseByModel(access.client, access.is_there)
    found = propose if settings.model_plans == "on" else None, summarise if settings.model_summaries == "on" else None
    parts = [part for part in found if part is not None]

    def schemas() -> list[OutputSchema[Any]]:
        return [schema for part in parts for schema in part.schemas]

    service.details["inference"] = lambda: {**access.state(), "prompts": [part.prompts_key for part in parts]}
    service.background.append(partial(access.keep_warm, schemas, learns_lanes=False))
    service.at_end.append(access.client.close)
    return found


def _follow(service: Service, modes: Modes, proceed: Callable[[], Proceed]) -> None:
    """What ends runs of this process from outside: another mode, a cancellation that another process was given."""

    async def follow_modes() -> None:
        await modes.follow(service.bus.client)

    async def follow_cancellations() -> None:
        await Cancellations(proceed().running, proceed().guard.is_cancelled).follow(service.bus.client)

    service.details["mode"] = lambda: {"mode": modes.mode, "reason": modes.reason}
    service.background += [follow_modes, follow_cancellations]


def _counting_resolutions(service: Service) -> Callable[[str], None]:
    counter = Counter(
        "opswire_resolutions_total",
        "What people found about steps of unknown outcome, or why their word does not count.",
        ["result"],
        registry=service.metrics.registry,
    )
    return lambda result: counter.labels(result).inc()


def _keep_audit_trail(service: Service, settings: ExecutorSettings, stream_guard: StreamGuard) -> None:
    """What the broker holds is recorded beside the requests, and the record's head outside the broker."""
    anchors = [FileAnchors(settings.state_dir / "audit")]
    request_json, interval_s = service.bus.request_json, settings.anchor_interval_s
    audit = AuditLog(lambda: service.bus.client, request_json, stream_guard, anchors, interval_s)
    service.details["audit"] = audit.shown
    service.background.append(audit.follow)
    service.at_end.append(audit.anchor)


def _kept_results(service: Service, settings: ExecutorSettings, catalogue: CatalogueInForce) -> KeptResults:
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
        catalogue.current.ttl_s_max,
        enabled=settings.cache == "on",
        family=lambda key: key.partition(":")[0],
        is_negative=lambda kept: is_failure(kept.result),
        negative_ttl_s=FAILURE_TTL_S,
    )
    version = f"{service.version}:{settings.drivers().version}"
    return KeptResults(cache, version, catalogue=lambda: catalogue.current)


async def end_request(delivery: Delivery, error: OpswireError) -> None:
    """Publish the outcome of a request that cannot go on; rows that were found all the same go with it.

    A word or a wish about a request that cannot be read ends that message alone: anybody could send one.
    """
    if delivery.route in (APPROVAL_GIVEN, CANCELLATION_REQUESTED, RESOLUTION_RECORDED):
        return
    mark = delivery.mark("executor")
    if isinstance(delivery.message, ContextResolved):
        outcome = refused(delivery.message, error, mark)
    else:
        outcome = ended(
            delivery.variables["request_id"], error.failure, delivery.stored_ns, mark.sent_ns, None, (), mark
        )
    await delivery.publish(REQUEST_FINISHED, outcome)
