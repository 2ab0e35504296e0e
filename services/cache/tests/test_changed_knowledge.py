"""Who keeps documents says that they changed: nothing that stood on the old ones is served after the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.client import Client
from opswire.contracts.basis_changed import BasisChanged
from opswire.contracts.caches_invalidated.tags import KNOWLEDGE, document_tag
from opswire.contracts.routes import BASIS_CHANGED, CHANGES

DISK, NET = document_tag("runbooks/disk.md"), document_tag("runbooks/net.md")


async def test_what_stood_on_a_changed_document_is_gone_from_every_holder(
    cache_service: Any, start_holder: Callable[..., Any], client: Client
) -> None:
    holders = [await start_holder("executor"), await start_holder("intent")]
    for holder in holders:
        await holder.fill("disk", "old", DISK)
        await holder.fill("search", "old", KNOWLEDGE)
        await holder.fill("net", "old", NET)
    body = {"kind": "knowledge", "names": ["runbooks/disk.md"], "version": "8"}
    status, done = await cache_service.call("POST", "/cache/changed", body)
    assert (status, done["tags"]) == (200, ["knowledge", "knowledge:runbooks/disk.md"])
    for holder in holders:
        assert [holder.cache.keys(tag, 10) for tag in (DISK, KNOWLEDGE)] == [[], []]
        assert (await holder.read("disk", "new", DISK))[0] == "new"
        assert holder.cache.keys(NET, 10)
    waited_for = {one["holder_id"] for one in (*done["holders"], *done["late"])}
    assert {holder.log.holder_id for holder in holders} <= waited_for
    stored = await client.jetstream().get_last_msg(CHANGES, BASIS_CHANGED.template)
    change = BasisChanged.from_bytes(stored.data or b"")
    assert (change.kind, change.names, change.version) == ("knowledge", ["runbooks/disk.md"], "8")


async def test_without_names_all_that_searched_the_documents_is_gone(
    cache_service: Any, start_holder: Callable[..., Any]
) -> None:
    holder = await start_holder("executor")
    for _ in range(2):
        await holder.fill("search", "old", KNOWLEDGE)
        status, done = await cache_service.call("POST", "/cache/changed", {"kind": "knowledge", "version": "8"})
        assert (status, done["tags"], done["acknowledged"]) == (200, ["knowledge"], True)
        assert holder.cache.keys(KNOWLEDGE, 10) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "policy"},
        {"kind": "catalogue", "names": ["ssh.read"]},
        {"kind": "knowledge", "names": [""]},
        {"kind": "knowledge", "names": "disk.md"},
        {"kind": "knowledge", "names": ["x"] * 901},
        {"kind": "knowledge", "version": "x" * 129},
        {"kind": "knowledge", "document": "disk.md"},
    ],
)
async def test_what_is_no_change_of_documents_is_refused(cache_service: Any, body: dict[str, Any]) -> None:
    status, refused = await cache_service.call("POST", "/cache/changed", body)
    assert (status, refused["code"]) == (400, "schema_mismatch")


async def test_only_who_has_the_token_may_say_it(cache_service: Any, client: Client) -> None:
    status, refused = await cache_service.call("POST", "/cache/changed", {"kind": "knowledge"}, token="wrong")
    assert (status, refused["code"]) == (401, "unauthorized")
    info = await client.jetstream().stream_info(CHANGES, subjects_filter=BASIS_CHANGED.template)
    assert not info.state.subjects
