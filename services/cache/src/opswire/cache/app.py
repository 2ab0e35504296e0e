"""Puts the cache service together; the only file here that sees everything."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version

from opswire.cache.adapters.acknowledged import AcknowledgedCauses
from opswire.cache.adapters.basis_changes import BasisChanges
from opswire.cache.adapters.canary_bus import CanaryBus
from opswire.cache.adapters.canary_rounds import CanaryRounds
from opswire.cache.adapters.history_store import Database, HistoryStore
from opswire.cache.adapters.holder_reports import HolderReports
from opswire.cache.adapters.invalidations import Invalidations
from opswire.cache.adapters.inventory import Inventory
from opswire.cache.adapters.metrics import CacheMetrics
from opswire.cache.adapters.recent_requests import RecentRequests
from opswire.cache.adapters.requests import Requests
from opswire.cache.adapters.switches import Switches
from opswire.cache.adapters.warm_runs import WarmRuns
from opswire.cache.handlers.asset_changed import HandleAssetChanged
from opswire.cache.handlers.basis_changed import HandleBasisChanged
from opswire.cache.http.api import CacheApi
from opswire.cache.http.changes import ChangesApi
from opswire.cache.http.over_time import OverTime
from opswire.cache.http.pages import routes_of
from opswire.cache.settings import CacheSettings
from opswire.cache.usecases.agreement import Agreement
from opswire.cache.usecases.canary import Canary, CanaryError
from opswire.cache.usecases.history import write_history
from opswire.cache.usecases.statistics import Statistics
from opswire.cache.usecases.warming import Warmer
from opswire.chassis.caching.acknowledger import Acknowledger
from opswire.chassis.caching.holding import WRONG_SHARE_MAX
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.errors import RetryableError
from opswire.chassis.logs import get_logger
from opswire.chassis.service import Service
from opswire.contracts.routes import ASSET_CHANGED, BASIS_CHANGED

VERSION = version("opswire-cache")
CANARY_SOURCE = "canary"


def create_app(settings: CacheSettings | None = None) -> Service:
    """The cache service, ready to run."""
    settings = settings or CacheSettings()
    service = Service("cache", VERSION, settings)
    parts = _Parts(service, settings)
    invalidations = Invalidations(parts.metrics.published, parts.metrics.tags)
    service.on(ASSET_CHANGED, HandleAssetChanged(invalidations))
    service.on(BASIS_CHANGED, HandleBasisChanged(invalidations))
    service.before_start.append(parts.start)
    service.background += [parts.keep_history, parts.switches.run]
    if settings.canary_interval_s:
        service.background.append(parts.run_canary)
    service.at_end.append(parts.stop)
    return service


class _Parts:
    """What lives as long as the service, and what can only be made once it is connected."""

    def __init__(self, service: Service, settings: CacheSettings) -> None:
        self._service = service
        self._settings = settings
        self._token = settings.http_token.get_secret_value() if settings.http_token else None
        self._acknowledger = Acknowledger(service.bus, service.log)
        self._invalidator = Invalidator(service.bus, service.log)
        self.switches = Switches(Agreement(time.time_ns, WRONG_SHARE_MAX), self._invalidator)
        self._inventory = Inventory(settings.assets_url, self._token)
        self._statistics = Statistics(time.monotonic, time.time_ns)
        self._database = Database(settings.history_path)
        self._history = HistoryStore(self._database, settings.cache_history_days * 86_400)
        self._rounds = CanaryRounds(self._database)
        self.metrics = CacheMetrics(service.metrics.registry)
        self._causes = AcknowledgedCauses()
        self._acknowledger.on_acknowledged += [self.metrics.on_acknowledged, self._causes.on_acknowledged]
        self._warmer: Warmer
        self._canary_bus: CanaryBus

    async def start(self) -> None:
        """Open the history, listen to the holders, offer the HTTP side. Raises OSError when the history cannot be."""
        service, settings = self._service, self._settings
        await self._database.open()
        self._statistics.counted = await self._history.counted()
        await self._acknowledger.start()
        await self._invalidator.start()
        client = service.bus.client
        reports = HolderReports(client, service.sender, self._statistics, self.switches.hear)
        await reports.start()
        self._canary_bus = CanaryBus(Requests(client, service.sender, CANARY_SOURCE), self._causes)
        requests = Requests(client, service.sender, settings.warm_source)
        self._warmer = Warmer(WarmRuns(self._database), requests, settings.warm_concurrency_max)
        recent = RecentRequests(client, service.sender.facts, frozenset({settings.warm_source, CANARY_SOURCE}))
        over_time = OverTime(settings, self._history, self._rounds, self._warmer, recent)
        api = CacheApi(self._statistics, reports, self._invalidator, self._inventory, over_time)
        changes = ChangesApi(BasisChanges(service.sender, self._causes))
        operations = (*api.operations(), *changes.operations(), *over_time.operations())
        service.http_routes += routes_of(operations, self._token, VERSION)
        await self._warmer.go_on_after_restart()

    async def keep_history(self) -> None:
        """Write what the holders say, for ever."""
        while True:
            try:
                await write_history(self._statistics, self._history, time.time, self._settings.cache_history_bucket_s)
            except OSError as error:
                get_logger().warning("the history waits for its disk", reason=str(error))
            self.metrics.holders.set(len(self._statistics.living()))
            await asyncio.sleep(self._settings.cache_history_write_s)

    async def run_canary(self) -> None:
        """A round every few seconds, for ever; what a round needs may be away."""
        name = self._settings.canary_asset
        canary = Canary(name, self._inventory, self._canary_bus, time.monotonic, time.time_ns())
        while True:
            await asyncio.sleep(self._settings.canary_interval_s)
            took_s, stale_reads, failure = 0.0, 0, ""
            try:
                found = await canary.round()
                took_s, stale_reads = found.took_s, found.stale_reads
                self.metrics.canary.observe(took_s)
                self.metrics.canary_stale.inc(stale_reads)
            except (CanaryError, RetryableError) as error:
                failure = str(error)
                self.metrics.canary_failed.inc()
            if stale_reads:
                get_logger().error("the canary's old value was served after its change was acknowledged", asset=name)
            try:
                await self._rounds.keep(took_s, stale_reads, failure)
            except OSError as error:
                get_logger().warning("a canary round was not kept", reason=str(error))

    async def stop(self) -> None:
        """Write what is not written yet, and close."""
        if hasattr(self, "_warmer"):
            await self._warmer.stop()
            try:
                await write_history(self._statistics, self._history, time.time, self._settings.cache_history_bucket_s)
            except OSError as error:
                get_logger().warning("the last seconds of the history are lost", reason=str(error))
        await self._database.close()
