"""Reading, editing, renaming and deleting assets over HTTP; imports are in imports.py."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opswire.assets.errors import AssetNotFoundError, InvalidAssetError
from opswire.assets.http.answering import BadQueryError, answering, number
from opswire.assets.http.imports import IMPORT_BYTES_MAX, InventoryImports
from opswire.assets.inventory.changes import EditValue
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import AssetFilter
from opswire.chassis.body import read_body
from opswire.chassis.http import guarded, whole_body
from opswire.contracts.findings import Asset
from opswire.contracts.types import ASSETS_MAX
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["EDIT_BYTES_MAX", "IMPORT_BYTES_MAX", "inventory_routes"]

EDIT_BYTES_MAX = 64 * 1024
WAIT_MS_MAX = 10_000
OFFSET_MAX = 1_000_000
CANDIDATES_SHOWN = 5

_FILTERS = {
    "name": "names",
    "address": "addresses",
    "type": "types",
    "environment": "environments",
    "criticality": "criticalities",
    "group": "groups",
    "tag": "tags",
    "label": "labels",
    "site": "sites",
    "os": "systems",
    "owner": "owners",
    "parent": "parents",
    "id": "ids",
    "attribute": "attributes",
}


def inventory_routes(inventory: Inventory, token: str | None) -> list[Route]:
    """All routes of this package. Without a token every write is refused."""
    protected = functools.partial(guarded, token=token)
    api = _InventoryApi(inventory)
    imports = InventoryImports(inventory, api.written)
    return [
        Route("/assets", answering(api.list), methods=["GET"]),
        Route("/assets/import", protected(answering(imports.import_file)), methods=["POST"]),
        Route("/assets/diff", protected(answering(imports.diff_file)), methods=["POST"]),
        Route("/assets/{name:path}/rename", protected(answering(api.rename)), methods=["POST"]),
        Route("/assets/{name:path}", answering(api.show), methods=["GET"]),
        Route("/assets/{name:path}", protected(answering(api.change)), methods=["PATCH"]),
        Route("/assets/{name:path}", protected(answering(api.delete)), methods=["DELETE"]),
    ]


class _InventoryApi:
    """Translates between HTTP and the inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def list(self, request: Request) -> Response:
        found, total = await self._inventory.search(_filter(request))
        return JSONResponse({"assets": [_shown(asset) for asset in found], "total": total})

    async def show(self, request: Request) -> Response:
        return await self._of_name(request, lambda name: self._inventory.get(name), _shown)

    async def change(self, request: Request) -> Response:
        values = _edits(read_body(await whole_body(request, EDIT_BYTES_MAX)))
        new = _flag(request, "new_environment")
        return await self._of_name(request, lambda name: self._inventory.set(name, values, new), _shown, writes=True)

    async def rename(self, request: Request) -> Response:
        name = read_body(await whole_body(request, EDIT_BYTES_MAX)).get("name")
        if not isinstance(name, str):
            raise InvalidAssetError('the body is {"name": "..."}')
        return await self._of_name(request, lambda old: self._inventory.rename(old, name), _shown, writes=True)

    async def delete(self, request: Request) -> Response:
        def deleted(asset: Asset) -> dict[str, Any]:
            return {"deleted": _shown(asset)}

        return await self._of_name(request, self._inventory.delete, deleted, writes=True)

    async def written(self, request: Request, answer: dict[str, Any], outbox_id: int) -> dict[str, Any]:
        """The answer of a write, after waiting for its publishing where that is asked for."""
        wait_ms = number(request, "wait_ms", 0, WAIT_MS_MAX)
        if wait_ms:
            answer["published"] = await self._inventory.wait_sent(outbox_id, wait_ms / 1_000)
        return {**answer, "outbox_id": outbox_id}

    async def _of_name(
        self,
        request: Request,
        work: Callable[[str], Awaitable[Asset]],
        shown: Callable[[Asset], dict[str, Any]],
        writes: bool = False,
    ) -> Response:
        """Work on the asset that the address names; where there is none, the answer offers names like it."""
        name = request.path_params["name"]
        try:
            asset = await work(name)
        except AssetNotFoundError as error:
            near = [candidate.value for candidate in await self._inventory.near(name[:256], CANDIDATES_SHOWN)]
            detail = f"{error}; names like it: {', '.join(near)}" if near else str(error)
            return JSONResponse({"code": error.code, "detail": detail[:1_000], "candidates": near}, status_code=404)
        if not writes:
            return JSONResponse(shown(asset))
        return JSONResponse(await self.written(request, shown(asset), await self._inventory.outbox_latest()))


def _flag(request: Request, key: str) -> bool:
    text = request.query_params.get(key, "false")
    if text not in {"true", "false"}:
        raise BadQueryError(f"{key} is true or false")
    return text == "true"


def _shown(asset: Asset) -> dict[str, Any]:
    return asset.model_dump(mode="json", exclude_none=True)


def _filter(request: Request) -> AssetFilter:
    known = {*_FILTERS, "limit", "offset"}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise BadQueryError(f"no filter {unknown[0]!r}; there are {', '.join(sorted(known))}")
    values: Any = {field: tuple(request.query_params.getlist(key)) for key, field in _FILTERS.items()}
    if any(len(alternatives) > ASSETS_MAX for alternatives in values.values()):
        raise BadQueryError(f"more than {ASSETS_MAX} alternatives for one filter")
    limit = number(request, "limit", ASSETS_MAX, ASSETS_MAX)
    return AssetFilter(**values, limit=limit, offset=number(request, "offset", 0, OFFSET_MAX))


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
