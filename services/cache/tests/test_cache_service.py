"""A change of an asset becomes one invalidation that names everything depending on it, on a real broker too."""

from __future__ import annotations

import json
from pathlib import Path

import nats
import pytest
from nats.js.api import DeliverPolicy
from opswire.cache.app import create_app
from opswire.cache.settings import CacheSettings
from opswire.cache.usecases.invalidate_for_change import invalidation_for
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.message import message_type
from opswire.contracts.routes import ASSET_CHANGED, CACHES_INVALIDATED, CHANGES

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples" / "asset_changed" / "v1"


@pytest.fixture
def change() -> AssetChanged:
    """A renamed asset: it answered to other names before."""
    return AssetChanged.model_validate_json((EXAMPLES / "full.json").read_bytes())


def test_an_invalidation_names_state_lists_and_all_names_before_and_after(change: AssetChanged) -> None:
    tags = set(invalidation_for(change).tags)
    assert change.asset is not None
    names = {change.asset.name, *change.asset.aliases, *change.previous_names}
    assert {f"asset:{change.asset_id}", "inventory"} <= tags
    assert {f"name:{name.lower()}" for name in names} <= tags


def test_a_deleted_asset_still_invalidates_its_old_names(change: AssetChanged) -> None:
    deleted = change.model_copy(update={"kind": "deleted", "asset": None, "previous_names": ["web-01"]})
    assert set(invalidation_for(deleted).tags) == {f"asset:{change.asset_id}", "inventory", "name:web-01"}


def test_invalidations_of_the_same_change_are_told_apart(change: AssetChanged) -> None:
    assert invalidation_for(change).nonce != invalidation_for(change).nonce


async def test_a_published_change_is_answered_with_an_invalidation(
    nats_server: NatsServer, change: AssetChanged
) -> None:
    service = create_app(CacheSettings(nats_url=nats_server.url))
    await service.start()
    client = await nats.connect(nats_server.url)
    try:
        stream = client.jetstream()
        invalidations = await stream.subscribe(
            CACHES_INVALIDATED.template, stream=CHANGES, deliver_policy=DeliverPolicy.ALL
        )
        await stream.publish(
            ASSET_CHANGED.subject(asset_id=change.asset_id),
            change.model_dump_json().encode(),
            headers={
                "ce-specversion": "1.0",
                "ce-id": "change-1",
                "ce-source": "/opswire/assets",
                "ce-type": message_type(AssetChanged),
            },
        )
        message = await invalidations.next_msg(timeout=10)
    finally:
        await client.close()
        await service.stop()
    found = CachesInvalidated.model_validate_json(message.data)
    assert found.tags == invalidation_for(change).tags
    assert json.loads(message.data)["cause"] == f"asset:{change.asset_id}@{change.generation}"
