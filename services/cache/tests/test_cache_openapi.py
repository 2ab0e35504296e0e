"""The OpenAPI document says what the routes are, and the answers are as it says."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route

OUR_OWN = {"/openapi.json"}


async def test_document_and_routes_name_the_same_operations(cache_service: Any) -> None:
    _, document = await cache_service.call("GET", "/openapi.json")
    described = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
    routes = [route for route in cache_service.service.http_routes if isinstance(route, Route)]
    served = {
        (method, re.sub(r":\w+}", "}", route.path))
        for route in routes
        for method in route.methods or ()
        if method != "HEAD" and route.path not in OUR_OWN
    }
    assert described == served
    assert ("POST", "/cache/invalidate/{asset}") in served
    assert document["openapi"].startswith("3.1")


async def test_every_write_and_nothing_else_names_the_token(cache_service: Any) -> None:
    _, document = await cache_service.call("GET", "/openapi.json")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) == (method == "post"), f"{method} {path}"
            status, _ = (
                await cache_service.call(method.upper(), path.replace("{asset}", "x"), {}, token=None)
                if method == "post"
                else (200, None)
            )
            assert (status == 401) == ("security" in operation)


async def test_every_reference_leads_somewhere(cache_service: Any) -> None:
    _, document = await cache_service.call("GET", "/openapi.json")
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references
    assert references <= set(document["components"]["schemas"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/cache/stats", None),
        ("GET", "/cache/keys", None),
        ("GET", "/cache/history", None),
        ("GET", "/cache/warm", None),
        ("POST", "/cache/invalidate", {"tags": ["a"]}),
    ],
)
async def test_an_answer_is_as_described(
    cache_service: Any, tell: Any, method: str, path: str, body: dict[str, Any] | None
) -> None:
    await tell("assets-a", hits=1, misses=1)
    await cache_service.until("/cache/stats", lambda found: found["caches"])
    _, document = await cache_service.call("GET", "/openapi.json")
    schema = document["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    status, found = await cache_service.call(method, path, body)
    assert status == 200
    validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
    assert [error.message for error in validator.iter_errors(found)] == []
    refused = dict(found)
    refused.pop(next(iter(found)))
    assert list(validator.iter_errors({"nonsense": refused})), "the schema takes anything"
