"""NetBox dumps as plain SQL (`pg_dump`, as NetBox's manual saves it): the COPY blocks of the tables that assets need.

Nothing of it is executed, and tables of users, tokens and secrets are passed over unread.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.netbox_dump import KINDS, NetBoxDump, read_dump
from opswire.assets.records import ImportedFile, LineNote

TABLES = frozenset(
    {
        "dcim_device",
        "dcim_devicerole",
        "dcim_devicetype",
        "dcim_interface",
        "dcim_location",
        "dcim_manufacturer",
        "dcim_platform",
        "dcim_rack",
        "dcim_region",
        "dcim_site",
        "extras_tag",
        "extras_taggeditem",
        "ipam_ipaddress",
        "tenancy_tenant",
        "virtualization_cluster",
        "virtualization_clustergroup",
        "virtualization_virtualmachine",
        "virtualization_vminterface",
    }
)
_CONTENT_TYPES = "django_content_type"
_POINTERS = frozenset({"object_id", "assigned_object_id"})
"""Keys whose table stands in a column beside them; every other `..._id` is one of a table of its own."""
_COPY = re.compile(r'^COPY (?:"?\w+"?\.)?"?(\w+)"? \((.+)\) FROM stdin;\s*$')
_ESCAPED = re.compile(r"\\(.)")  # numbered characters can be read by COPY, and pg_dump never writes them
_NAMED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_DIGITS_MAX = 18
_CELL_CHARACTERS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of one table; a value of None is NULL."""

    line: int
    table: str
    values: dict[str, str | None]


def read_netbox_sql(text: str) -> ImportedFile:
    """Read a dump. Raises UnreadableInventoryError when it holds no NetBox table, or breaks off within one."""
    result = ImportedFile()
    dump = NetBoxDump()
    content_types: dict[int, list[str]] = {}
    for row in _rows(text, result):
        key = _number(row.values.get("id"))
        if key is None:
            result.rejected.append(LineNote(row.line, f"a row of {row.table} without an id"))
        elif row.table == _CONTENT_TYPES:
            content_types[key] = [row.values.get("app_label") or "", row.values.get("model") or ""]
        else:
            dump.take(row.line, row.table.replace("_", ".", 1), key, _fields(row, result), result)
    if not any(model in KINDS for model, _ in dump.objects):
        what = "the dump holds no device and no machine of NetBox in COPY blocks: use pg_dump without --inserts"
        raise UnreadableInventoryError(what)
    for fields in dump.objects.values():
        for name in ("content_type", "assigned_object_type"):
            if name in fields:
                fields[name] = content_types.get(fields[name])
    read_dump(dump, result)
    return result


def _rows(text: str, result: ImportedFile) -> Iterator[_Row]:
    table, columns = "", list[str]()
    for number, line in enumerate(io.StringIO(text), start=1):  # a line ends at a line feed, at nothing else
        if not table:
            if line.startswith("COPY ") and (found := _COPY.match(line)) and found[1] in TABLES | {_CONTENT_TYPES}:
                table, columns = found[1], [column.strip(' "') for column in found[2].split(",")]
        elif line.rstrip("\r\n") == "\\.":
            table = ""
        else:
            cells = line.rstrip("\r\n").split("\t")
            if len(cells) != len(columns):
                result.rejected.append(LineNote(number, f"{table}: {len(cells)} values for {len(columns)} columns"))
            elif max(map(len, cells)) > _CELL_CHARACTERS_MAX:
                result.rejected.append(
                    LineNote(number, f"{table}: a value of more than {_CELL_CHARACTERS_MAX:,} characters")
                )
            else:
                yield _Row(number, table, dict(zip(columns, map(_cell, cells), strict=True)))
    if table:
        raise UnreadableInventoryError(f"the dump breaks off within {table}")


def _cell(cell: str) -> str | None:
    if "\\" not in cell:
        return cell
    return None if cell == "\\N" else _ESCAPED.sub(lambda found: _NAMED.get(found[1], found[1]), cell)


def _fields(row: _Row, result: ImportedFile) -> dict[str, Any]:
    """The row as `dumpdata` would have it: references by the name of what they refer to."""
    fields: dict[str, Any] = {}
    for column, value in row.values.items():
        if column in _POINTERS:
            fields[column] = _number(value)
        elif column == "custom_field_data":
            fields[column] = _custom(row, value, result)
        elif column.endswith("_id") and (value is None or _number(value) is not None):
            fields[column.removesuffix("_id")] = _number(value)
        else:
            fields[column] = value
    return fields


def _custom(row: _Row, value: str | None, result: ImportedFile) -> object:
    try:
        return json.loads(value or "{}")
    except (ValueError, RecursionError):
        result.notes.append(LineNote(row.line, f"{row.table}: custom fields left out, they are not readable as JSON"))
        return {}


def _number(value: str | None) -> int | None:
    plain = value is not None and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX
    return int(value) if plain and value is not None else None
