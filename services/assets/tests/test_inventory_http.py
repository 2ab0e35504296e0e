"""The inventory's routes, called over ASGI as uvicorn would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from opswire.assets.http import EDIT_BYTES_MAX, IMPORT_BYTES_MAX, inventory_routes
from opswire.assets.inventory.store import Inventory
from starlette.applications import Starlette

TOKEN = "a-token-for-tests"
WRITES = [
    ("POST", "/assets/import"),
    ("PATCH", "/assets/web-01"),
    ("DELETE", "/assets/web-01"),
    ("POST", "/assets/web-01/rename"),
]


def client_for(inventory: Inventory, token: str | None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=inventory_routes(inventory, token)))
    return httpx.AsyncClient(transport=transport, base_url="http://inventory")


@pytest.fixture
async def client(stocked: Inventory) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for(stocked, TOKEN) as opened:
        opened.headers["Authorization"] = f"Bearer {TOKEN}"
        yield opened


async def test_reading_needs_no_token(stocked: Inventory) -> None:
    async with client_for(stocked, TOKEN) as client:
        found = (await client.get("/assets", params={"type": "servers", "environment": "prod", "limit": 2})).json()
        assert ([asset["name"] for asset in found["assets"]], found["total"]) == (
            ["api.eu.example.com", "app1.eu.example.com"],
            4,
        )
        either = (await client.get("/assets?site=dc1&site=dc2&type=host")).json()
        assert either["total"] == 3
        assert (await client.get("/assets/CHECKOUT%40web-01")).json()["parent"] == "web-01"
        missing = await client.get("/assets/nowhere")
        assert (missing.status_code, missing.json()["code"]) == (404, "asset_not_found")


@pytest.mark.parametrize("query", ["colour=red", "limit=-1", "limit=201", "limit=x", "offset=99999999999"])
async def test_a_query_that_means_nothing_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/assets?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_query")


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"bearer {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"]
)
async def test_a_write_needs_the_token(stocked: Inventory, method: str, path: str, header: str | None) -> None:
    async with client_for(stocked, TOKEN) as client:
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        answer = await client.request(method, path, headers=headers, content=b"{}")  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert (await stocked.get("web-01")).generation == 1


async def test_without_a_token_of_its_own_the_service_writes_nothing(stocked: Inventory) -> None:
    async with client_for(stocked, None) as client:
        answer = await client.delete("/assets/web-01", headers={"Authorization": "Bearer None"})
        assert (answer.status_code, answer.json()["code"]) == (403, "writes_disabled")


async def test_an_import_answers_its_report(client: httpx.AsyncClient) -> None:
    text = "[web_prod]\nnew-[1:3] ansible_password=hunter2\nbad=[\n"
    answer = (await client.post("/assets/import?format=ansible", content=text)).json()
    assert (answer["created"], answer["updated"], answer["unchanged"]) == (3, 0, 0)
    assert [note["line"] for note in answer["rejected"]] == [3]
    assert [note["line"] for note in answer["notes"]] == [2]
    assert answer["outbox_id"] > 0
    assert (await client.get("/assets?group=web_prod")).json()["total"] == 3


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("", b"neither this nor that", 422, "unreadable_inventory"),
        ("?format=toml", b"assets: []", 422, "unreadable_inventory"),
        ("?format=opswire", b"\xff\xfe", 422, "unreadable_inventory"),
        ("", b"x" * (IMPORT_BYTES_MAX + 1), 413, "body_too_large"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused(
    client: httpx.AsyncClient, query: str, body: bytes, status: int, code: str
) -> None:
    answer = await client.post(f"/assets/import{query}", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_edit_answers_the_asset_and_the_row_to_wait_for(client: httpx.AsyncClient, stocked: Inventory) -> None:
    body = {"environment": "stg", "tags": ["a,b", "c"], "site": None, "attributes": {"ssh_port": "22", "x": None}}
    answer = (await client.patch("/assets/web-01", json=body)).json()
    assert (answer["environment"], answer["tags"], answer["generation"]) == ("staging", ["a,b", "c"], 2)
    assert "site" not in answer
    assert answer["attributes"]["ssh_port"] == "22"
    assert answer["outbox_id"] == (await stocked.outbox_pending())[-1].id


async def test_a_write_can_wait_until_it_is_published(client: httpx.AsyncClient, stocked: Inventory) -> None:
    late = (await client.patch("/assets/web-01?wait_ms=20", json={"owner": "x"})).json()
    assert late["published"] is False

    async def publish() -> None:
        stocked.changed.clear()
        await stocked.changed.wait()
        await stocked.outbox_sent([row.id for row in await stocked.outbox_pending()])

    publishing = asyncio.create_task(publish())
    await asyncio.sleep(0)
    answer = (await client.patch("/assets/web-01?wait_ms=10000", json={"owner": "y"})).json()
    await publishing
    assert answer["published"] is True


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, None),
        (b"[]", 400, None),
        (b'{"owner": "a", "owner": "b"}', 400, None),
        (b'{"owner": NaN}', 400, None),
        (b"{}", 422, "invalid_asset"),
        (b'{"owner": 7}', 422, "invalid_asset"),
        (b'{"owner": ["a"]}', 422, "invalid_asset"),
        (b'{"colour": "red"}', 422, "invalid_asset"),
        (b'{"attributes": {"api_token": "x"}}', 422, "invalid_asset"),
        (b'{"name": "db-01"}', 409, "name_taken"),
        (b'{"owner": "' + b"x" * EDIT_BYTES_MAX + b'"}', 413, "body_too_large"),
    ],
)
async def test_an_edit_that_cannot_be_is_refused(
    client: httpx.AsyncClient, stocked: Inventory, body: bytes, status: int, code: str | None
) -> None:
    answer = await client.patch("/assets/web-01", content=body)
    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code
    assert (await stocked.get("web-01")).generation == 1


async def test_renaming_and_deleting(client: httpx.AsyncClient) -> None:
    assert (await client.post("/assets/web-02/rename", json={"name": "web-09"})).json()["name"] == "web-09"
    refused = await client.delete("/assets/web-09")
    assert (refused.status_code, refused.json()["code"]) == (409, "asset_in_use")
    assert (await client.delete("/assets/checkout@web-02")).json()["deleted"]["parent"] == "web-09"
    assert (await client.delete("/assets/web-09")).status_code == 200
    assert (await client.get("/assets/web-09")).status_code == 404
    assert (await client.post("/assets/db-01/rename", json={"name": 7})).status_code == 422
