"""Puts the cache service together; the only file here that sees everything."""

from __future__ import annotations

from importlib.metadata import version

from opswire.cache.handlers.asset_changed import HandleAssetChanged
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.contracts.routes import ASSET_CHANGED
from prometheus_client import Counter


def create_app(settings: ServiceSettings | None = None) -> Service:
    """The cache service, ready to run."""
    service = Service("cache", version("opswire-cache"), settings or ServiceSettings())
    registry = service.metrics.registry
    published = Counter("opswire_cache_invalidations_published_total", "Invalidations sent.", registry=registry)
    tags = Counter("opswire_cache_tags_invalidated_total", "Tags named by invalidations sent.", registry=registry)
    service.on(ASSET_CHANGED, HandleAssetChanged(published, tags))
    return service
