"""The page for people, and the document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from opswire.cache.http.openapi import openapi
from opswire.cache.http.operations import Operation
from opswire.chassis.http import Handler
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

PAGE_HEADERS = {
    # Nothing from elsewhere, nothing sent elsewhere, in nobody's frame.
    "content-security-policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def routes_of(operations: Sequence[Operation], token: str | None, version: str) -> list[BaseRoute]:
    """Every operation, the page, and the document that describes them. Without a token every write is refused."""
    page = files("opswire.cache.http").joinpath("page.html").read_text(encoding="utf-8")
    operations = (*operations, Operation("GET", "/cache", "A page for people", _page(page), None))
    document = openapi(operations, version)

    async def openapi_document(_: Request) -> Response:
        return JSONResponse(document)

    routes: list[BaseRoute] = [operation.route(token) for operation in operations]
    return [*routes, Route("/openapi.json", openapi_document, methods=["GET"])]


def _page(text: str) -> Handler:
    async def cache_page(_: Request) -> Response:
        return HTMLResponse(text, headers=PAGE_HEADERS)

    return cache_page
