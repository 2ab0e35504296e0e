"""The inventory, asked and changed through the assets service's HTTP interface."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from opswire.cache.errors import InventoryAwayError
from opswire.contracts.findings import Asset
from pydantic import ValidationError

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1024 * 1024


class Inventory:
    """Asks beside the loop: one call every few seconds at most, so a connection of its own each time is enough."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self._url = None if url is None else url.rstrip("/")
        self._token = token or ""
        # A proxy of the environment must see neither our own traffic nor the token.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def find(self, name: str) -> Asset | None:
        """The asset of this name, or None. Raises InventoryAwayError."""
        found = await self._call("GET", f"/assets/{urllib.parse.quote(name, safe='')}")
        return None if found is None else _asset(found)

    async def create(self, text: str) -> None:
        """Import an inventory file in our own YAML. Raises InventoryAwayError."""
        await self._call("POST", "/assets/import?format=opswire&origin=canary", text.encode(), "application/yaml")

    async def change(self, name: str, edits: dict[str, Any]) -> Asset | None:
        """The asset after the change, or None when there is none of this name. Raises InventoryAwayError."""
        body = json.dumps(edits).encode()
        found = await self._call("PATCH", f"/assets/{urllib.parse.quote(name, safe='')}", body, "application/json")
        return None if found is None else _asset(found)

    async def _call(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> dict[str, Any] | None:
        if self._url is None:
            raise InventoryAwayError("set OPSWIRE_ASSETS_URL to the assets service's address")
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        headers |= {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(f"{self._url}{path}", body, headers, method=method)  # noqa: S310  by setting
        return await asyncio.to_thread(self._ask, request)

    def _ask(self, request: urllib.request.Request) -> dict[str, Any] | None:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as reply:
                found = json.loads(reply.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise InventoryAwayError(f"the assets service answers {error.code} to {request.method}") from error
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise InventoryAwayError(f"the assets service does not answer: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise InventoryAwayError("the assets service answers something else")
        return found


def _asset(found: dict[str, Any]) -> Asset:
    try:
        return Asset.model_validate({key: value for key, value in found.items() if key in Asset.model_fields})
    except ValidationError as error:
        raise InventoryAwayError("the assets service answers something that is no asset") from error
