"""The inventory over HTTP: reading is open on the service's own address, writing needs the bearer token.

GET    /assets?type=&environment=&group=&tag=&label=&site=&os=&owner=&parent=&address=&name=&limit=&offset=
GET    /assets/{name}
POST   /assets/import?format=&origin=      body: the file's text; answers the report
PATCH  /assets/{name}                      body: {"environment": "staging", "attributes": {"ssh_port": "22"}}
DELETE /assets/{name}
POST   /assets/{name}/rename               body: {"name": "..."}

Each write answers `outbox_id`: once `wait_ms` (at most 10,000) is given, it waits until that much is published and says
`published`. Errors are `{"code", "detail"}`; a repeated filter gives alternatives.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from opswire.assets.errors import (
    AssetInUseError,
    AssetNotFoundError,
    InvalidAssetError,
    InventoryUnavailableError,
    NameTakenError,
    UnreadableInventoryError,
)
from opswire.assets.inventory.changes import EditValue
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetFilter
from opswire.assets.usecases.import_inventory import import_inventory
from opswire.chassis.body import read_body
from opswire.chassis.errors import OpswireError, PoisonError, RejectedError
from opswire.contracts.findings import Asset
from opswire.contracts.types import ASSETS_MAX
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

IMPORT_BYTES_MAX = 16 * 1024 * 1024
EDIT_BYTES_MAX = 64 * 1024
WAIT_MS_MAX = 10_000
OFFSET_MAX = 1_000_000
ORIGIN_CHARACTERS_MAX = 200

Handler = Callable[[Request], Awaitable[Response]]

_FILTERS = {
    "name": "names",
    "address": "addresses",
    "type": "types",
    "environment": "environments",
    "group": "groups",
    "tag": "tags",
    "label": "labels",
    "site": "sites",
    "os": "systems",
    "owner": "owners",
    "parent": "parents",
}
_FORMATS = {"opswire": "opswire-yaml", "netbox": "netbox-csv", "ansible": "ansible-ini"}
_STATUS: tuple[tuple[type[OpswireError], int], ...] = (
    (AssetNotFoundError, 404),
    (NameTakenError, 409),
    (AssetInUseError, 409),
    (InvalidAssetError, 422),
    (UnreadableInventoryError, 422),
    (InventoryUnavailableError, 503),
    (PoisonError, 400),
    (RejectedError, 400),
)


class BadQueryError(RejectedError):
    """A parameter of the address is unknown or out of its bounds."""

    code = "bad_query"


class BodyLimitError(RejectedError):
    """More bytes than this address takes."""

    code = "body_too_large"


def inventory_routes(inventory: Inventory, token: str | None) -> list[Route]:
    """All routes above. Without a token every write is refused."""
    guarded = functools.partial(_guarded, token=token)
    api = _InventoryApi(inventory)
    return [
        Route("/assets", _answering(api.list), methods=["GET"]),
        Route("/assets/import", guarded(_answering(api.import_file)), methods=["POST"]),
        Route("/assets/{name:path}/rename", guarded(_answering(api.rename)), methods=["POST"]),
        Route("/assets/{name:path}", _answering(api.show), methods=["GET"]),
        Route("/assets/{name:path}", guarded(_answering(api.change)), methods=["PATCH"]),
        Route("/assets/{name:path}", guarded(_answering(api.delete)), methods=["DELETE"]),
    ]


class _InventoryApi:
    """Translates between HTTP and the inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def list(self, request: Request) -> Response:
        found, total = await self._inventory.search(_filter(request))
        return JSONResponse({"assets": [_shown(asset) for asset in found], "total": total})

    async def show(self, request: Request) -> Response:
        return JSONResponse(_shown(await self._inventory.get(request.path_params["name"])))

    async def import_file(self, request: Request) -> Response:
        text = _decoded(await _body(request, IMPORT_BYTES_MAX))
        given = request.query_params.get("format") or None
        origin = request.query_params.get("origin", "")[:ORIGIN_CHARACTERS_MAX]
        report = await import_inventory(self._inventory, text, _FORMATS.get(given or "", given), origin)
        return await self._written(request, asdict(report), report.outbox_id)

    async def change(self, request: Request) -> Response:
        values = _edits(read_body(await _body(request, EDIT_BYTES_MAX)))
        asset = await self._inventory.set(request.path_params["name"], values)
        return await self._written(request, _shown(asset), await self._inventory.outbox_latest())

    async def rename(self, request: Request) -> Response:
        name = read_body(await _body(request, EDIT_BYTES_MAX)).get("name")
        if not isinstance(name, str):
            raise InvalidAssetError('the body is {"name": "..."}')
        asset = await self._inventory.rename(request.path_params["name"], name)
        return await self._written(request, _shown(asset), await self._inventory.outbox_latest())

    async def delete(self, request: Request) -> Response:
        asset = await self._inventory.delete(request.path_params["name"])
        return await self._written(request, {"deleted": _shown(asset)}, await self._inventory.outbox_latest())

    async def _written(self, request: Request, answer: dict[str, Any], outbox_id: int) -> Response:
        wait_ms = _number(request, "wait_ms", 0, WAIT_MS_MAX)
        if wait_ms:
            answer["published"] = await self._inventory.wait_sent(outbox_id, wait_ms / 1_000)
        return JSONResponse({**answer, "outbox_id": outbox_id})


def _answering(handler: Handler) -> Handler:
    """Errors of ours become their status and `{"code", "detail"}`; anything else is a bug and stays one."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BodyLimitError as error:
            return _refusal(413, error.code, str(error))
        except OpswireError as error:
            status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
            return _refusal(status, error.code, str(error))

    return answer


def _guarded(handler: Handler, token: str | None) -> Handler:
    """Lets through who has the token; the comparison takes as long for a wrong one as for a nearly right one."""
    wanted = f"Bearer {token}".encode() if token else None

    async def check(request: Request) -> Response:
        if wanted is None:
            return _refusal(403, "writes_disabled", "this service has no OPSWIRE_HTTP_TOKEN, so nothing can be written")
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            answer = _refusal(401, "unauthorized", "a write needs `Authorization: Bearer <token>`")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return await handler(request)

    return check


def _refusal(status: int, code: str, detail: str) -> JSONResponse:
    return JSONResponse({"code": code, "detail": detail[:1_000]}, status_code=status)


def _shown(asset: Asset) -> dict[str, Any]:
    return asset.model_dump(mode="json", exclude_none=True)


async def _body(request: Request, bytes_max: int) -> bytes:
    """The body, read no further than its limit, whatever length its header promises."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise BodyLimitError(f"the body is larger than {bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableInventoryError(f"byte {error.start} is not UTF-8") from error


def _filter(request: Request) -> AssetFilter:
    known = {*_FILTERS, "limit", "offset"}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise BadQueryError(f"no filter {unknown[0]!r}; there are {', '.join(sorted(known))}")
    values: Any = {field: tuple(request.query_params.getlist(key)) for key, field in _FILTERS.items()}
    if any(len(alternatives) > ASSETS_MAX for alternatives in values.values()):
        raise BadQueryError(f"more than {ASSETS_MAX} alternatives for one filter")
    limit = _number(request, "limit", ASSETS_MAX, ASSETS_MAX)
    return AssetFilter(**values, limit=limit, offset=_number(request, "offset", 0, OFFSET_MAX))


def _number(request: Request, key: str, default: int, most: int) -> int:
    text = request.query_params.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= most):
        raise BadQueryError(f"{key} is a whole number from 0 to {most}")
    return int(text)


def _edits(body: Mapping[str, Any]) -> dict[str, EditValue]:
    """The flat form of a JSON edit: null clears, `attributes` may be nested or spelled `attributes.<key>`."""
    values: dict[str, EditValue] = {}
    for key, value in body.items():
        if key == "attributes" and isinstance(value, dict):
            values.update((f"attributes.{name}", _edit(f"attributes.{name}", given)) for name, given in value.items())
        else:
            values[key] = _edit(key, value)
    if not values:
        raise InvalidAssetError("the edit changes nothing")
    return values


def _edit(key: str, value: object) -> EditValue:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [str(item) for item in value]
    raise InvalidAssetError(f"{key}: text, a list of texts, or null")
