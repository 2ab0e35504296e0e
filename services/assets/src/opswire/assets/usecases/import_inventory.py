"""A file's text into the inventory, with an account of every line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.formats import detect_format, read_inventory
from opswire.assets.records import AssetRecord, ImportReport

REFUSED_MAX = 20
"""So many lines may be wrong in any file; more than that, and more than there are assets, and it is another file."""


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
    if len(read.rejected) > max(REFUSED_MAX, len(read.records)):
        first = read.rejected[0]
        raise UnreadableInventoryError(
            f"most of it is no {chosen}: {len(read.rejected)} lines refused, {len(read.records)} assets found, nothing "
            f"stored; line {first.line}: {first.text}"
        )
    report = await store.upsert(read.records, chosen)
    report.rejected = sorted([*read.rejected, *report.rejected], key=lambda note: note.line)
    report.notes = sorted([*read.notes, *report.notes], key=lambda note: note.line)
    return report
