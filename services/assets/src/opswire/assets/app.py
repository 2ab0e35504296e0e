"""Puts the assets service together; the only file here that sees everything."""

from __future__ import annotations

from importlib.metadata import version

from opswire.assets.adapters.outbox_publisher import OutboxPublisher
from opswire.assets.adapters.selection_codec import SelectionCodec
from opswire.assets.adapters.sql_reader import SqlReader
from opswire.assets.errors import AssetClarificationError
from opswire.assets.handlers.intent_resolved import HandleIntentResolved
from opswire.assets.http import inventory_routes
from opswire.assets.inventory.store import Inventory
from opswire.assets.settings import AssetsSettings
from opswire.assets.usecases.resolve import Selection
from opswire.assets.usecases.select_assets import SelectAssets
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.delivery import Delivery
from opswire.chassis.errors import OpswireError
from opswire.chassis.service import Service
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.routes import INTENT_RESOLVED, REQUEST_FINISHED
from prometheus_client import Counter


async def create_app(settings: AssetsSettings | None = None) -> Service:
    """The assets service, ready to run, its inventory open."""
    settings = settings or AssetsSettings()
    service = Service("assets", version("opswire-assets"), settings)
    inventory = await Inventory.open(settings.inventory_url)
    service.at_end.append(inventory.close)
    valkey = Valkey(settings.valkey_url) if settings.valkey_url else None
    if valkey is not None:
        service.at_end.append(valkey.close)
    cache: Cache[Selection] = Cache(
        "context",
        SelectionCodec(),
        service.log,
        valkey,
        service.metrics,
        settings.selection_cache_ttl_s,
        enabled=settings.cache == "on",
        check_share=settings.cache_check_share,
    )
    service.on(INTENT_RESOLVED, HandleIntentResolved(SelectAssets(SqlReader(inventory, inventory.system), cache)))
    service.end_request = end_request
    token = settings.http_token.get_secret_value() if settings.http_token else None
    service.http_routes += inventory_routes(inventory, token)

    published = Counter("opswire_outbox_published_total", "Changes published.", registry=service.metrics.registry)

    async def publish_changes() -> None:
        await OutboxPublisher(inventory, service.sender, published, settings.outbox_poll_s).run()

    service.background.append(publish_changes)
    if inventory.tells:
        service.background.append(inventory.listen)
    return service


async def end_request(delivery: Delivery, error: OpswireError) -> None:
    """Publish the outcome of a request that cannot go on."""
    mark = delivery.mark("assets")
    known = delivery.message if isinstance(delivery.message, IntentResolved) else None
    candidates = error.candidates if isinstance(error, AssetClarificationError) else []
    outcome = ended(
        delivery.variables["request_id"], error.failure, delivery.stored_ns, mark.sent_ns, known, candidates, mark
    )
    await delivery.publish(REQUEST_FINISHED, outcome)
