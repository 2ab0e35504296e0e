"""The assets service's inventory, over its HTTP interface."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.parse
from collections.abc import Sequence
from typing import Any

from opswire.cli.bus import connected
from opswire.cli.errors import UsageError
from opswire.cli.http import ServiceClient
from opswire.cli.letting_go import Change, watching
from opswire.cli.state import StateDir, broker_url

LISTS = frozenset({"groups", "tags", "aliases"})
FIELDS = frozenset({"name", "type", "environment", "criticality", "address", "owner", "site", "os", "parent"} | LISTS)
FORMATS = ("opswire", "netbox", "ansible")


def client_of(state: StateDir) -> ServiceClient:
    """A client of the running assets service; `OPSWIRE_ASSETS_URL` and `OPSWIRE_HTTP_TOKEN` name another one."""
    url, token = os.environ.get("OPSWIRE_ASSETS_URL"), os.environ.get("OPSWIRE_HTTP_TOKEN")
    if url is not None:
        return ServiceClient(url, token or "")
    record = state.running()
    return ServiceClient(record.urls["assets"], record.token)


def list_assets(state: StateDir, filters: dict[str, str]) -> dict[str, Any]:
    """The assets that match, and how many there are in all."""
    answer = client_of(state).call("GET", "/assets", filters)
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


async def set_asset(state: StateDir, name: str, changes: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Change an asset; return it once no cache serves what was true before, and whether that was seen in time."""
    client = client_of(state)
    path = f"/assets/{urllib.parse.quote(name, safe='')}"
    edits = {key: value for key, value in changes.items() if key != "name"}
    async with connected(broker_url(state)) as bus, watching(bus) as watch:
        asset = await _called(client, "GET", path)
        generations = {asset["generation"]}
        if edits:
            asset = await _called(client, "PATCH", path, body=json.dumps(edits).encode())
            generations.add(asset["generation"])
        if changes.get("name"):
            asset = await _called(client, "POST", f"{path}/rename", body=json.dumps({"name": changes["name"]}).encode())
            generations.add(asset["generation"])
        expected: set[Change] = {(asset["id"], generation) for generation in generations - {min(generations)}}
        return asset, await watch.settled(expected, len(expected))


async def import_file(
    state: StateDir, body: bytes, origin: str, file_format: str | None
) -> tuple[dict[str, Any], bool]:
    """Import an inventory; return the report once the caches have let go, and whether that was seen in time.

    `origin` is the file's name; without `file_format` the service finds the format out. Raises UsageError for a format
    that there is not, or a file that is of none.
    """
    if file_format is not None and file_format not in FORMATS:
        raise UsageError(f"there is no format {file_format!r}", f"--format {', '.join(FORMATS)}")
    client = client_of(state)
    query = {"origin": origin} | ({} if file_format is None else {"format": file_format})
    async with connected(broker_url(state)) as bus, watching(bus) as watch:
        report = await _called(client, "POST", "/assets/import", query, body, "application/octet-stream")
        return report, await watch.settled(set(), report.get("created", 0) + report.get("updated", 0))


async def _called(client: ServiceClient, method: str, path: str, *details: Any, **more: Any) -> dict[str, Any]:
    """One call beside the loop, which has a broker's pings to answer meanwhile."""
    found: dict[str, Any] = await asyncio.to_thread(client.call, method, path, *details, **more)
    return found
