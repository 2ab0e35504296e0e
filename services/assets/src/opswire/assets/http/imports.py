"""Importing a file over HTTP, with progress where it is asked for, and comparing one with the inventory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Any

from opswire.assets.http.answering import decoded, status_of
from opswire.assets.inventory.store import Inventory
from opswire.assets.records import ImportReport
from opswire.assets.usecases.import_inventory import diff_inventory, import_inventory
from opswire.chassis.errors import OpswireError
from opswire.chassis.http import whole_body
from opswire.chassis.logs import get_logger
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

IMPORT_BYTES_MAX = 64 * 1024 * 1024
ORIGIN_CHARACTERS_MAX = 200
MAP_CHARACTERS_MAX = 8_000
LINES_TOLD_MAX = 1_000

Written = Callable[[Request, dict[str, Any], int], Awaitable[dict[str, Any]]]


class InventoryImports:
    """The two routes that take a file."""

    def __init__(self, inventory: Inventory, written: Written) -> None:
        self._inventory = inventory
        self._written = written
        self._running: set[asyncio.Task[None]] = set()

    async def import_file(self, request: Request) -> Response:
        """Store what the file holds. An import goes on to its end when its caller goes away."""
        text = decoded(await whole_body(request, IMPORT_BYTES_MAX))
        if request.query_params.get("progress") != "true":
            report = await import_inventory(self._inventory, text, *_asked(request))
            return JSONResponse(await self._written(request, _answer(report), report.outbox_id))
        return StreamingResponse(self._told(request, text), media_type="application/x-ndjson")

    async def diff_file(self, request: Request) -> Response:
        """Say what importing the file would do."""
        text = decoded(await whole_body(request, IMPORT_BYTES_MAX))
        return JSONResponse(asdict(await diff_inventory(self._inventory, text, *_asked(request))))

    async def _told(self, request: Request, text: str) -> AsyncIterator[bytes]:
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        task = asyncio.create_task(self._import(request, text, lines))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        while (line := await lines.get()) is not None:
            yield json.dumps(line).encode() + b"\n"

    async def _import(self, request: Request, text: str, lines: asyncio.Queue[dict[str, Any] | None]) -> None:
        def progress(done: int, total: int) -> None:
            lines.put_nowait({"done": done, "total": total})

        try:
            report = await import_inventory(self._inventory, text, *_asked(request), progress)
            lines.put_nowait({"report": await self._written(request, _answer(report), report.outbox_id)})
        except OpswireError as error:
            detail = str(error)[:1_000]
            lines.put_nowait({"error": {"status": status_of(error), "code": error.code, "detail": detail}})
        except Exception:  # noqa: BLE001  the answer has begun: the caller must hear of it all the same
            get_logger().exception("an import failed")
            lines.put_nowait({"error": {"status": 500, "code": "internal", "detail": "the import failed; see the log"}})
        finally:
            lines.put_nowait(None)


def _asked(request: Request) -> tuple[str | None, str, str | None]:
    """Format, the file's name, and the mapping of columns."""
    query = request.query_params
    origin = query.get("origin", "")[:ORIGIN_CHARACTERS_MAX]
    return query.get("format") or None, origin, query.get("map", "")[:MAP_CHARACTERS_MAX] or None


def _answer(report: ImportReport) -> dict[str, Any]:
    """The report; of very many lines the first ones, and how many there are."""
    return {
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "rejected": [asdict(note) for note in report.rejected[:LINES_TOLD_MAX]],
        "rejected_total": len(report.rejected),
        "notes": [asdict(note) for note in report.notes[:LINES_TOLD_MAX]],
        "notes_total": len(report.notes),
    }
