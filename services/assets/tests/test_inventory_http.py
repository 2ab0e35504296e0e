"""The inventory's routes, called over ASGI as uvicorn would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from opswire.assets.http import EDIT_BYTES_MAX, IMPORT_BYTES_MAX, inventory_routes
from opswire.assets.inventory.store import Inventory
from starlette.applications import Starlette

TOKEN = "a-token-for-tests"
WRITES = [
    ("POST", "/assets/import"),
    ("POST", "/assets/diff"),
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


async def test_an_import_tells_its_progress_line_by_line(client: httpx.AsyncClient) -> None:
    text = "name,site\n" + "".join(f"host-{number},dc9\n" for number in range(2_500)) + "broken\n"
    answer = await client.post("/assets/import?format=csv&progress=true", content=text)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in lines[:-1]] == [0, 1_000, 2_000, 2_500]
    report = lines[-1]["report"]
    assert (report["created"], report["rejected_total"], report["rejected"][0]["line"]) == (2_500, 1, 2_502)
    refused = await client.post("/assets/import?progress=true", content="neither this nor that")
    assert json.loads(refused.text)["error"]["code"] == "unreadable_inventory"


async def test_a_difference_is_told_and_nothing_is_changed(client: httpx.AsyncClient, stocked: Inventory) -> None:
    text = "host,where,note\nweb-01,DC9,x\nweb-02,DC1,\nnew-01,DC1,\nnew-01,DC2,\n"
    query = {"map": "name=host,site=where,attributes.note=note"}
    found = (await client.post("/assets/diff", params=query, content=text)).json()
    assert (found["added"], found["unchanged"], found["changed_total"]) == (["new-01"], 1, 1)
    changed = {change["field"]: (change["before"], change["after"]) for change in found["changed"][0]["fields"]}
    assert changed == {"site": ("DC1", "DC9"), "attributes.note": ("", "x")}
    assert [note["line"] for note in found["rejected"]] == [5]
    assert (await stocked.get("web-01")).site == "DC1"
    assert await stocked.outbox_pending() == []


async def test_what_is_gone_from_a_file_is_told_by_its_source(client: httpx.AsyncClient) -> None:
    first = "assets: [{name: one, type: host}]"
    found = (await client.post("/assets/diff", content=first)).json()
    assert (found["added"], found["gone_total"]) == (["one"], 11)
    devices = "name,id,device_type,ip_address\nd1,1,X,\nd2,2,X,\n"
    assert (await client.post("/assets/import", content=devices)).json()["created"] == 2
    left = (await client.post("/assets/diff", content=devices.replace("d2,2,X,\n", ""))).json()
    assert (left["gone"], left["unchanged"], left["added_total"]) == (["d2"], 1, 0)


@pytest.mark.parametrize(("method", "path"), [("GET", "wbe-01"), ("PATCH", "wbe-01"), ("DELETE", "wbe-01")])
async def test_an_unknown_name_is_answered_with_names_like_it(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, f"/assets/{path}", json={"owner": "x"} if method == "PATCH" else None)
    assert (answer.status_code, answer.json()["candidates"][:1]) == (404, ["web-01"])
    assert "web-01" in answer.json()["detail"]


async def test_an_environment_that_nobody_knows_must_be_meant(client: httpx.AsyncClient) -> None:
    refused = await client.patch("/assets/web-01", json={"environment": "moon"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_asset")
    assert "production" in refused.json()["detail"]
    assert (await client.patch("/assets/web-01", json={"environment": "PRD"})).json()["environment"] == "production"
    meant = await client.patch("/assets/web-01?new_environment=true", json={"environment": "moon"})
    assert meant.json()["environment"] == "moon"
    assert (await client.patch("/assets/web-02", json={"environment": "moon"})).status_code == 200


async def test_an_import_says_that_an_environment_is_new(client: httpx.AsyncClient) -> None:
    text = "name,environment\na,producton\nb,producton\nc,staging\n"
    answer = (await client.post("/assets/import?format=csv", content=text)).json()
    assert answer["created"] == 3
    assert [(note["line"], "producton" in note["text"]) for note in answer["notes"]] == [(2, True)]


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
