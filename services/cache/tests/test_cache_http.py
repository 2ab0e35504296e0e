"""The cache service over HTTP, on a real broker: statistics, keys, invalidation, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from opswire.contracts.cache_keys_asked import CacheKeysAsked
from opswire.contracts.cache_keys_told import CacheKeysTold
from opswire.contracts.cache_keys_told.v1 import CachedKey
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.routes import CACHE_KEYS_ASKED, CACHE_KEYS_TOLD, CACHES_INVALIDATED


async def stats_with(running: Any, *holders: str) -> Any:
    """The statistics once all of `holders` are in them."""
    return await running.until(
        "/cache/stats", lambda found: set(holders) <= {holder["holder_id"] for holder in found["holders"]}
    )


async def test_statistics_are_added_up_over_the_processes_that_serve(cache_service: Any, tell: Any) -> None:
    await tell("assets-a", hits=30, misses=10)
    await tell("assets-b", hits=10, misses=0, checked=50, wrong=1)
    found = await stats_with(cache_service, "assets-a", "assets-b")
    context = next(cache for cache in found["caches"] if cache["name"] == "context")
    assert context["counts"]["memory_hits"] == 40
    assert context["counts"]["hit_rate"] == 0.8
    assert (context["entries"], context["bytes"], context["wrong_hit_rate"]) == (6, 2_400, 0.02)
    assert context["services"][0]["name"] == "assets"
    assert context["families"][0]["name"] == "named"
    assert [key["hits"] for key in context["top_keys"]] == [30, 10]
    told = {holder["holder_id"]: holder["state"] for holder in found["holders"]}
    assert told["assets-a"] == "serving"


async def test_an_unreadable_report_changes_nothing(cache_service: Any, client: Client, tell: Any) -> None:
    await client.publish("opswire.caches.v1.statistics.x", b"[1]")
    await client.publish("opswire.caches.v1.statistics.x", b'{"holder_id": 3}')
    await tell("assets-a", hits=1, misses=1)
    found = await stats_with(cache_service, "assets-a")
    assert "x" not in {holder["holder_id"] for holder in found["holders"]}


async def test_keys_come_from_the_processes_and_who_is_silent_is_named(
    cache_service: Any, client: Client, tell: Any
) -> None:
    await tell("assets-a", hits=1, misses=1)
    await tell("assets-mute", hits=1, misses=1)
    await stats_with(cache_service, "assets-a", "assets-mute")

    async def answer(message: Msg) -> None:
        asked = CacheKeysAsked.from_bytes(message.data)
        key = CachedKey(cache="context", key="[web-01]", tags=[asked.tag], age_s=2.0, hits=4, bytes=300)
        told = CacheKeysTold(query_id=asked.query_id, holder_id="assets-a", service="assets", keys=[key])
        await client.publish(CACHE_KEYS_TOLD.subject(query_id=asked.query_id), told.to_bytes())

    await client.subscribe(CACHE_KEYS_ASKED.template, cb=answer)
    await client.flush()
    status, found = await cache_service.call("GET", "/cache/keys?tag=name:web-01&limit=5")
    assert status == 200
    assert [(key["key"], key["tags"], key["hits"]) for key in found["keys"] if key["holder_id"] == "assets-a"] == [
        ("[web-01]", ["name:web-01"], 4)
    ]
    assert "assets-mute" in found["silent"]


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ({"tags": ["name:web-01", "inventory"]}, ["name:web-01", "inventory"]),
        ({"template": "restart {service}"}, ["template:restart {service}"]),
        ({"tool": "ssh.read"}, ["tool:ssh.read"]),
        ({"all": True}, ["all"]),
        ({"asset": "web-01"}, ["all"]),
    ],
)
async def test_an_invalidation_is_acknowledged_and_lies_in_the_log(
    cache_service: Any, client: Client, body: dict[str, Any], tags: list[str]
) -> None:
    status, done = await cache_service.call("POST", "/cache/invalidate", body)
    assert status == 200, done
    assert done["acknowledged"] is True
    assert done["tags"] == tags
    assert done["late"] == []
    stored = await client.jetstream().get_msg("OPSWIRE_CHANGES", done["sequence"])
    message = CachesInvalidated.from_bytes(stored.data or b"")
    assert (stored.subject, message.tags, message.nonce) == (CACHES_INVALIDATED.template, tags, done["nonce"])


async def test_without_an_inventory_an_assets_invalidation_names_everything_and_says_so(cache_service: Any) -> None:
    status, done = await cache_service.call("POST", "/cache/invalidate/web-01")
    assert (status, done["tags"]) == (200, ["all"])
    assert "inventory could not be asked" in done["note"]


@pytest.mark.parametrize("token", [None, "", "wrong", "token-of-a-tesu"])
async def test_a_write_without_the_token_is_refused(cache_service: Any, client: Client, token: str | None) -> None:
    before = (await client.jetstream().stream_info("OPSWIRE_CHANGES", subjects_filter=">")).state.subjects
    for path in ("/cache/invalidate", "/cache/invalidate/web-01"):
        status, refused = await cache_service.call("POST", path, {"all": True}, token=token)
        assert (status, refused["code"]) == (401, "unauthorized")
    after = (await client.jetstream().stream_info("OPSWIRE_CHANGES", subjects_filter=">")).state.subjects
    name = CACHES_INVALIDATED.template
    assert (before or {}).get(name) == (after or {}).get(name)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_empty"),
        (b"[]", "body_not_an_object"),
        (b'{"all": true, "all": true}', "body_duplicate_key"),
        (b'{"all": NaN}', "body_bad_number"),
        (b"{}", "schema_mismatch"),
        (b'{"all": false}', "schema_mismatch"),
        (b'{"all": true, "tool": "x"}', "schema_mismatch"),
        (b'{"tags": []}', "schema_mismatch"),
        (b'{"tags": [""]}', "schema_mismatch"),
        (b'{"asset": 3}', "schema_mismatch"),
        (b'{"assets": "x"}', "schema_mismatch"),
        (b'{"asset": "' + b"x" * 300 + b'"}', "schema_mismatch"),
        (b'{"asset": "' + b"x" * 300_000 + b'"}', "body_too_large"),
        (b'{"asset": "' + b"x" * 1_100_000 + b'"}', "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_with_its_code(cache_service: Any, body: bytes, code: str) -> None:
    status, refused = await cache_service.call("POST", "/cache/invalidate", body)
    assert status in (400, 413)
    assert refused["code"] == code


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=%C2%B2", "page=2", f"tag={'x' * 301}"]
)
async def test_a_bad_parameter_is_refused(cache_service: Any, query: str) -> None:
    status, refused = await cache_service.call("GET", f"/cache/keys?{query}")
    assert (status, refused["code"]) == (400, "bad_query")


async def test_a_name_that_is_too_long_is_refused_and_not_cut(cache_service: Any) -> None:
    status, refused = await cache_service.call("POST", f"/cache/invalidate/{'x' * 257}")
    assert (status, refused["code"]) == (400, "bad_query")
