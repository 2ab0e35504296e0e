"""NetBox CSV exports of devices and of virtual machines, told apart by their columns.

Headings are read without regard to case and blanks (`IP Address` is `ip_address`); netbox.py says what becomes of a
row.
"""

from __future__ import annotations

from collections.abc import Iterator

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.csv_rows import CsvRow, csv_rows
from opswire.assets.importers.netbox import NetBoxRow, add_records, named_row
from opswire.assets.records import ImportedFile, LineNote
from opswire.assets.vocabulary import slug

_SYNONYMS = {
    "device_role": "role",
    "vm_role": "role",
    "type": "device_type",
    "ip_address": "ip_addresses",
    "primary_ip": "ip_addresses",
    "primary_ip4": "ip_addresses",
    "memory": "memory_mb",
    "disk": "disk_gb",
    "tenant_group": "tenant_group",
}
_DEVICE_COLUMNS = frozenset({"device_type", "manufacturer", "rack", "serial", "asset_tag"})
_MACHINE_COLUMNS = frozenset({"cluster", "vcpus", "memory_mb", "disk_gb"})


def read_netbox_csv(text: str) -> ImportedFile:
    """Read a NetBox export. Raises UnreadableInventoryError when the heading is not one of devices or machines."""
    rows = csv_rows(text)
    heading = [_column(cell) for cell in next(rows, CsvRow(0, [])).cells]
    kind = kind_of(heading)
    if kind is None:
        raise UnreadableInventoryError("the heading is neither that of NetBox devices nor of virtual machines")
    result = ImportedFile()
    add_records(list(_named(rows, heading, kind, result)), result)
    return result


def kind_of(heading: list[str]) -> str | None:
    """`device` or `virtual-machine`, or None when the columns are neither's."""
    columns = set(map(_column, heading))
    if "name" not in columns:
        return None
    if columns & _DEVICE_COLUMNS:
        return "device"
    return "virtual-machine" if columns & _MACHINE_COLUMNS else None


def _column(cell: str) -> str:
    name = slug(cell).replace("-", "_")
    return _SYNONYMS.get(name, name)


def _named(rows: Iterator[CsvRow], heading: list[str], kind: str, result: ImportedFile) -> Iterator[NetBoxRow]:
    for row in rows:
        problem = row.problem
        if problem is None and len(row.cells) != len(heading):
            problem = f"{len(row.cells)} cells under {len(heading)} headings"
        if problem is not None:
            result.rejected.append(LineNote(row.line, problem))
            continue
        values = {column: cell.strip() for column, cell in zip(heading, row.cells, strict=True) if cell.strip()}
        if found := named_row(row.line, values, kind, result):
            yield found
