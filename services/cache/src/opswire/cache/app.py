"""Puts the cache service together; the only file here that sees everything."""

from __future__ import annotations

import time
from importlib.metadata import version

from opswire.cache.adapters.holder_reports import HolderReports
from opswire.cache.adapters.inventory import Inventory
from opswire.cache.handlers.asset_changed import HandleAssetChanged
from opswire.cache.http.api import CacheApi, operations_of, routes_of
from opswire.cache.settings import CacheSettings
from opswire.cache.usecases.statistics import Statistics
from opswire.chassis.caching.acknowledger import Acknowledger
from opswire.chassis.caching.invalidator import Invalidator
from opswire.chassis.service import Service
from opswire.contracts.routes import ASSET_CHANGED
from prometheus_client import Counter

VERSION = version("opswire-cache")


def create_app(settings: CacheSettings | None = None) -> Service:
    """The cache service, ready to run."""
    settings = settings or CacheSettings()
    service = Service("cache", VERSION, settings)
    registry = service.metrics.registry
    published = Counter("opswire_cache_invalidations_published_total", "Invalidations sent.", registry=registry)
    tags = Counter("opswire_cache_tags_invalidated_total", "Tags named by invalidations sent.", registry=registry)
    service.on(ASSET_CHANGED, HandleAssetChanged(published, tags))
    acknowledger, invalidator = Acknowledger(service.bus, service.log), Invalidator(service.bus, service.log)
    statistics = Statistics(time.monotonic)
    token = settings.http_token.get_secret_value() if settings.http_token else None
    inventory = Inventory(settings.assets_url, token)

    async def begin() -> None:
        await acknowledger.start()
        await invalidator.start()
        reports = HolderReports(service.bus.client, service.sender, statistics)
        await reports.start()
        api = CacheApi(statistics, reports, invalidator, inventory)
        service.http_routes += routes_of(operations_of(api), token, VERSION)

    service.before_start.append(begin)
    return service
