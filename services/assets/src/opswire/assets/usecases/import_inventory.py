"""A file's text into the inventory, or compared with it, with an account of every line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.formats import chosen_format, read_inventory
from opswire.assets.records import AssetRecord, ImportedFile, ImportReport, InventoryDifference

REFUSED_MAX = 20
"""So many lines may be wrong in any file; more than that, and more than there are assets, and it is another file."""


class RecordStore(Protocol):
    """Where records go."""

    async def upsert(
        self, records: Sequence[AssetRecord], origin: str, progress: Callable[[int], None] | None = None
    ) -> ImportReport:
        """Create or update by name and account for every record."""
        ...

    async def compare(self, records: Sequence[AssetRecord], origin: str) -> InventoryDifference:
        """What `upsert` would do."""
        ...


async def import_inventory(
    store: RecordStore,
    text: str,
    format: str | None,
    origin: str,
    mapping: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Read the text (its format is found out when None) and store what it holds.

    `mapping` is that of the columns of any CSV. `progress` hears how many records of how many are done.
    The report accounts for every line that was refused or changed, in the order of the file. Raises
    UnreadableInventoryError when the text as a whole is of no known format; nothing is stored then.
    """
    chosen, read = await _read(text, format, origin, mapping)
    total = len(read.records)
    if progress is not None:
        progress(0, total)
    report = await store.upsert(read.records, chosen, lambda done: progress(done, total) if progress else None)
    report.rejected = sorted([*read.rejected, *report.rejected], key=lambda note: note.line)
    report.notes = sorted([*read.notes, *report.notes], key=lambda note: note.line)
    return report


async def diff_inventory(
    store: RecordStore, text: str, format: str | None, origin: str, mapping: str | None = None
) -> InventoryDifference:
    """What importing this text would do: added, changed field by field, left alone, and what is not in it any more.

    Raises UnreadableInventoryError as `import_inventory` does.
    """
    chosen, read = await _read(text, format, origin, mapping)
    difference = await store.compare(read.records, chosen)
    difference.rejected = sorted([*read.rejected, *difference.rejected], key=lambda note: note.line)
    difference.notes = sorted([*read.notes, *difference.notes], key=lambda note: note.line)
    return difference


async def _read(text: str, format: str | None, origin: str, mapping: str | None) -> tuple[str, ImportedFile]:
    chosen = await asyncio.to_thread(chosen_format, format, origin, text, mapping)
    read = await asyncio.to_thread(read_inventory, text, chosen, mapping)  # half a second for 10,000 assets
    if len(read.rejected) > max(REFUSED_MAX, len(read.records)):
        first = read.rejected[0]
        raise UnreadableInventoryError(
            f"most of it is no {chosen}: {len(read.rejected)} lines refused, {len(read.records)} assets found, nothing "
            f"stored; line {first.line}: {first.text}"
        )
    return chosen, read
