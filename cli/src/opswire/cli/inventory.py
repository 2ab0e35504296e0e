"""The assets service's inventory, over its HTTP interface."""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opswire.cli.bus import connected
from opswire.cli.errors import UsageError
from opswire.cli.http import ServiceClient
from opswire.cli.letting_go import Change, watching
from opswire.cli.state import StateDir, broker_url

LISTS = frozenset({"groups", "tags", "aliases"})
FIELDS = frozenset({"name", "type", "environment", "criticality", "address", "owner", "site", "os", "parent"} | LISTS)
FORMAT_OF_SUFFIX = {".yaml": "opswire", ".yml": "opswire", ".csv": "netbox", ".ini": "ansible"}


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


def format_of(path: Path, given: str | None) -> str:
    """The importer for a file: as given, or by its ending. Raises UsageError."""
    found = given or FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"no format is known for {path.name}", "--format opswire, netbox or ansible")
    return found


async def set_asset(state: StateDir, name: str, changes: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Change an asset; return it once no cache serves what was true before, and whether that was seen in time."""
    client = client_of(state)
    async with connected(broker_url(state)) as bus, watching(bus) as watch:
        before: dict[str, Any] = client.call("GET", f"/assets/{urllib.parse.quote(name, safe='')}")
        body = json.dumps(changes).encode()
        asset: dict[str, Any] = client.call("PATCH", f"/assets/{urllib.parse.quote(name, safe='')}", body=body)
        changed: set[Change] = set()
        if asset.get("generation") != before.get("generation"):
            changed = {(asset["id"], asset["generation"])}
        return asset, await watch.settled(changed, len(changed))


async def import_file(state: StateDir, body: bytes, file_format: str) -> tuple[dict[str, Any], bool]:
    """Import an inventory; return the report once the caches have let go, and whether that was seen in time."""
    client = client_of(state)
    async with connected(broker_url(state)) as bus, watching(bus) as watch:
        report: dict[str, Any] = client.call(
            "POST", "/assets/import", {"format": file_format}, body, "application/octet-stream"
        )
        return report, await watch.settled(set(), count_of(report))


def count_of(report: dict[str, Any]) -> int:
    """How many assets an import changed."""
    found = [report.get(key, 0) for key in ("created", "updated", "deleted")]
    return sum(len(one) if isinstance(one, list) else int(one) for one in found)
