"""A context with its assets as they are now, or as people were asked about them."""

from __future__ import annotations

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.executor.errors_of_changes import AssetChangedError
from opswire.executor.usecases.guard import CurrentAssets
from opswire.executor.usecases.story import Round


async def refreshed(context: ContextResolved, agreed: Round | None, current: CurrentAssets) -> ContextResolved:
    """The context with the assets of a round, or without one with the newest.

    Raises AssetChangedError where an asset of the round is newer by now, or was deleted, and RetryableError.
    """
    wanted = {each.asset_id: each.generation for each in agreed.asked.targets} if agreed is not None else None
    known = [*context.assets, *context.hosts]
    if wanted is not None and all(wanted.get(asset.id, asset.generation) == asset.generation for asset in known):
        return context  # nothing changed since the context was made: the common case
    changes = await current.last_changes(asset.id for asset in known)
    newest: dict[str, Asset] = {}
    for asset in known:
        change = changes.get(asset.id)
        if change is None or change.generation <= asset.generation:
            continue
        if change.asset is None:
            raise AssetChangedError(f"{asset.name} was deleted after this was planned.")
        if wanted is not None and wanted.get(asset.id) not in (None, change.generation):
            raise AssetChangedError(f"{asset.name} was changed after people were asked.")
        newest[asset.id] = change.asset
    return context.model_copy(
        update={
            "assets": [newest.get(asset.id, asset) for asset in context.assets],
            "hosts": [newest.get(asset.id, asset) for asset in context.hosts],
        }
    )
