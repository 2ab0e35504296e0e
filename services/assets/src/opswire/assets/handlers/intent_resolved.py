"""An intent arrives: find the assets it concerns and send the context on."""

from __future__ import annotations

from opswire.assets.usecases.select_assets import SelectAssets
from opswire.chassis.delivery import Delivery
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.routes import CONTEXT_RESOLVED


class HandleIntentResolved:
    """Translates between the bus and the use case."""

    def __init__(self, select_assets: SelectAssets) -> None:
        self._select_assets = select_assets

    async def __call__(self, resolved: IntentResolved, delivery: Delivery) -> None:
        """Publish the context. Names that lead nowhere end the request with a question."""
        selection = await self._select_assets(resolved.intent, resolved.text)
        context = ContextResolved(
            request_id=resolved.request_id,
            requester=resolved.requester,
            text=resolved.text,
            intent=resolved.intent,
            selection=selection.kind,
            assets=selection.assets,
            hosts=selection.hosts,
            total=selection.total,
            alerts=resolved.alerts,
            accepted_ns=resolved.accepted_ns,
            deadline_ns=resolved.deadline_ns,
            marks=[*resolved.marks, delivery.mark("assets")],
        )
        await delivery.publish(CONTEXT_RESOLVED, context)
