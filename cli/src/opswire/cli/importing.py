"""Inventory files: comparing one with the inventory, and importing it with progress."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from opswire.cli import caches
from opswire.cli.bus import connected
from opswire.cli.errors import CommandError, NotRunningError, UsageError
from opswire.cli.http import TIMEOUT_S, ServiceClient, _refusal
from opswire.cli.inventory import client_of
from opswire.cli.letting_go import watching
from opswire.cli.state import StateDir, broker_url

ADVICE_FORMS = "docs/how-to/import-an-inventory.md names the forms that are read, and how --map says the columns"
FORMATS = ("opswire", "netbox", "ansible", "kubernetes", "csv")
FOLLOWED_BYTES_MAX = 1024 * 1024
TOLD_WITHIN_MS = 3_000
"""How long the service may take to publish what is followed; after that too every cache forgets everything."""
FOLLOWED_CHANGES_MAX = 1_000
"""An import of more is not followed change by change: every cache forgets everything, once, which is sooner."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """A file to import or to compare. `origin` is its name; without `file_format` the service finds the format out;
    `mapping` says which columns of any CSV are which fields.
    """

    body: bytes
    origin: str
    file_format: str | None = None
    mapping: str | None = None

    def query(self) -> dict[str, str]:
        """What the service is told beside the text. Raises UsageError for a format that there is not."""
        if self.file_format is not None and self.file_format not in FORMATS:
            raise UsageError(f"there is no format {self.file_format!r}", f"--format {', '.join(FORMATS)}")
        asked = {"origin": self.origin, "format": self.file_format, "map": self.mapping}
        return {key: value for key, value in asked.items() if value}


def diff_file(state: StateDir, file: InventoryFile) -> dict[str, Any]:
    """What importing the file would do. Raises UsageError for a file of no known format."""
    details = file.query(), file.body, "application/octet-stream"
    found: dict[str, Any] = client_of(state).call("POST", "/assets/diff", *details)
    return found


def untold(done: int, total: int) -> None:
    """Progress that nobody wants to hear of."""


async def import_file(state: StateDir, file: InventoryFile, progress: Progress = untold) -> tuple[dict[str, Any], bool]:
    """Import an inventory; return the report once the caches have let go, and whether that was seen in time.

    `progress` hears how many assets of how many are stored. Raises UsageError for a file of no known format.
    """
    client, query = client_of(state), {**file.query(), "progress": "true"}
    async with AsyncExitStack() as stack:
        watch = None
        if len(file.body) <= FOLLOWED_BYTES_MAX:
            bus = await stack.enter_async_context(connected(broker_url(state)))
            watch = await stack.enter_async_context(watching(bus))
            query["wait_ms"] = str(TOLD_WITHIN_MS)
        report = await asyncio.to_thread(_imported, client, query, file.body, progress)
        changed = report["created"] + report["updated"]
        if watch is not None and changed <= FOLLOWED_CHANGES_MAX and report["published"]:
            return report, not changed or await watch.settled_until_now()
    if changed:
        await asyncio.to_thread(caches.invalidate, state, None, (), None, None, True)
    return report, True


def _imported(client: ServiceClient, query: dict[str, str], body: bytes, progress: Progress) -> dict[str, Any]:
    for line in _lines(client, f"/assets/import?{urllib.parse.urlencode(query)}", body):
        if "report" in line:
            found: dict[str, Any] = line["report"]
            return found
        if "error" in line:
            detail = line["error"]["detail"]
            raise (
                UsageError(detail, ADVICE_FORMS)
                if line["error"]["status"] < 500
                else CommandError(detail, "opswire doctor")
            )
        progress(line["done"], line["total"])
    raise CommandError("the import's answer broke off; the import may go on", "opswire assets diff FILE, then repeat")


def _lines(client: ServiceClient, path: str, body: bytes) -> Iterator[dict[str, Any]]:
    """The lines of a streamed answer as they come. Raises as ServiceClient.call does."""
    headers = {"Authorization": f"Bearer {client._token}", "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(client._base_url + path, body, headers, method="POST")  # noqa: S310  our own
    try:
        with client._opener.open(request, timeout=TIMEOUT_S) as answer:
            for line in answer:
                yield json.loads(line)
    except urllib.error.HTTPError as error:
        raise _refusal(error.code, error.read(), refused=ADVICE_FORMS) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise NotRunningError(f"no service answers at {client._base_url}", "opswire status") from error
