"""A change becomes one invalidation that names everything depending on it, on a real broker too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.js.api import DeliverPolicy
from opswire.cache.app import create_app
from opswire.cache.settings import CacheSettings
from opswire.cache.usecases.invalidate_for_change import invalidation_for
from opswire.chassis.caching.basis import NAMES_PER_MESSAGE_MAX, tell_basis_changed
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.basis_changed import BasisKind
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


@asynccontextmanager
async def invalidations(nats_url: str) -> AsyncIterator[tuple[Service, Client, Subscription]]:
    """A cache service, a plain client, and the invalidations from now on."""
    service = create_app(CacheSettings(nats_url=nats_url))
    await service.start()
    client = await nats.connect(nats_url)
    try:
        subject = CACHES_INVALIDATED.template
        feed = await client.jetstream().subscribe(subject, stream=CHANGES, deliver_policy=DeliverPolicy.NEW)
        yield service, client, feed
    finally:
        await client.close()
        await service.stop()


async def test_a_published_change_is_answered_with_an_invalidation(
    nats_server: NatsServer, change: AssetChanged
) -> None:
    async with invalidations(nats_server.url) as (_, client, feed):
        await client.jetstream().publish(
            ASSET_CHANGED.subject(asset_id=change.asset_id),
            change.model_dump_json().encode(),
            headers={
                "ce-specversion": "1.0",
                "ce-id": "change-1",
                "ce-source": "/opswire/assets",
                "ce-type": message_type(AssetChanged),
            },
        )
        message = await feed.next_msg(timeout=10)
    found = CachesInvalidated.model_validate_json(message.data)
    assert found.tags == invalidation_for(change).tags
    assert json.loads(message.data)["cause"] == f"asset:{change.asset_id}@{change.generation}"


async def test_changed_tools_documents_and_policies_are_answered_with_invalidations(nats_server: NatsServer) -> None:
    """The policy changes back and forth within the broker's duplicate window: each change is one."""
    changes: list[tuple[BasisKind, list[str], list[str]]] = [
        (BasisKind.CATALOGUE, ["ssh.read", "http.check"], ["catalogue", "tool:http.check", "tool:ssh.read"]),
        (BasisKind.KNOWLEDGE, ["runbooks/disk.md"], ["knowledge", "knowledge:runbooks/disk.md"]),
        (BasisKind.POLICY, [], ["policy"]),
        (BasisKind.POLICY, [], ["policy"]),
    ]
    async with invalidations(nats_server.url) as (service, _, feed):
        for kind, names, tags in changes:
            await tell_basis_changed(service.sender, kind, names, "3f9c2d1e")
            found = CachesInvalidated.from_bytes((await feed.next_msg(timeout=10)).data)
            assert (found.tags, found.cause.partition("@")[0]) == (tags, f"{kind}:3f9c2d1e")


async def test_a_catalogue_of_many_tools_is_told_in_several_messages(nats_server: NatsServer) -> None:
    names = [f"tool-{number}" for number in range(NAMES_PER_MESSAGE_MAX + 1)]
    async with invalidations(nats_server.url) as (service, _, feed):
        told = await tell_basis_changed(service.sender, BasisKind.CATALOGUE, names, "v" * 1_000)
        found = [CachesInvalidated.from_bytes((await feed.next_msg(timeout=10)).data) for _ in told]
    assert {tag for one in found for tag in one.tags} == {"catalogue", *(f"tool:{name}" for name in names)}
