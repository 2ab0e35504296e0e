"""The assets service's inventory, over its HTTP interface."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from opswire.cli.bus import connected
from opswire.cli.errors import UsageError
from opswire.cli.http import ServiceClient
from opswire.cli.letting_go import Change, watching
from opswire.cli.state import StateDir, broker_url

LISTS = frozenset({"groups", "tags", "aliases"})
FIELDS = frozenset({"name", "type", "environment", "criticality", "address", "owner", "site", "os", "parent"} | LISTS)


def client_of(state: StateDir) -> ServiceClient:
    """A client of the running assets service; `OPSWIRE_ASSETS_URL` and `OPSWIRE_HTTP_TOKEN` name another one."""
    url, token = os.environ.get("OPSWIRE_ASSETS_URL"), os.environ.get("OPSWIRE_HTTP_TOKEN")
    if url is not None:
        return ServiceClient(url, token or "")
    record = state.running()
    return ServiceClient(record.urls["assets"], record.token)


def list_assets(state: StateDir, filters: Mapping[str, str] | Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The assets that match, and how many there are in all. A filter may be given twice."""
    answer = client_of(state).call("GET", f"/assets?{urllib.parse.urlencode(filters)}")
    return answer if isinstance(answer, dict) else {"assets": answer, "total": len(answer)}


def show_asset(state: StateDir, name: str) -> dict[str, Any]:
    """One asset. Raises NotFoundError."""
    found: dict[str, Any] = client_of(state).call("GET", f"/assets/{urllib.parse.quote(name, safe='')}")
    return found


def parse_changes(pairs: Sequence[str]) -> dict[str, Any]:
    """What `key=value ...` asks to set; `attributes.KEY=value` for attributes, commas in lists, nothing to clear."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"{pair!r} sets nothing", "key=value, such as environment=staging")
        if key.startswith("attributes."):
            changes.setdefault("attributes", {})[key.removeprefix("attributes.")] = value or None
        elif key in LISTS:
            changes[key] = [part.strip() for part in value.split(",") if part.strip()]
        elif key in FIELDS:
            changes[key] = value or None
        else:
            known = ", ".join(sorted(FIELDS))
            raise UsageError(f"an asset has no {key!r}", f"one of {known}, or attributes.{key}=...")
    return changes


async def set_asset(
    state: StateDir, name: str, changes: dict[str, Any], new_environment: bool = False
) -> tuple[dict[str, Any], bool]:
    """Change an asset; return it once no cache serves what was true before, and whether that was seen in time."""
    client = client_of(state)
    path = f"/assets/{urllib.parse.quote(name, safe='')}"
    edits = {key: value for key, value in changes.items() if key != "name"}
    async with connected(broker_url(state)) as bus, watching(bus) as watch:
        asset = await _called(client, "GET", path)
        generations = {asset["generation"]}
        if edits:
            query = {"new_environment": "true"} if new_environment else None
            asset = await _called(client, "PATCH", path, query, json.dumps(edits).encode())
            generations.add(asset["generation"])
        if changes.get("name"):
            asset = await _called(client, "POST", f"{path}/rename", body=json.dumps({"name": changes["name"]}).encode())
            generations.add(asset["generation"])
        expected: set[Change] = {(asset["id"], generation) for generation in generations - {min(generations)}}
        return asset, await watch.settled(expected)


async def delete_asset(state: StateDir, name: str) -> tuple[dict[str, Any], bool]:
    """Delete an asset; return what it was once no cache serves it, and whether that was seen in time."""
    client = client_of(state)
    async with connected(broker_url(state)) as bus, watching(bus) as watch:
        gone = (await _called(client, "DELETE", f"/assets/{urllib.parse.quote(name, safe='')}"))["deleted"]
        expected: set[Change] = {(gone["id"], gone["generation"] + 1)}
        return gone, await watch.settled(expected)


async def import_file(
    state: StateDir, body: bytes, origin: str, file_format: str | None
) -> tuple[dict[str, Any], bool]:
    """Import an inventory without a mapping and without telling of progress; see `importing.import_file`."""
    from opswire.cli import importing

    return await importing.import_file(state, importing.InventoryFile(body, origin, file_format))


async def _called(client: ServiceClient, method: str, path: str, *details: Any, **more: Any) -> dict[str, Any]:
    """One call beside the loop, which has a broker's pings to answer meanwhile."""
    found: dict[str, Any] = await asyncio.to_thread(client.call, method, path, *details, **more)
    return found
