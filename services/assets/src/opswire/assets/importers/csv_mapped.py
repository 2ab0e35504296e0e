"""Any CSV file, by a mapping of its columns: `name=Hostname,address=Primary IP,attributes.rack=Rack,attributes=*`.

Left is the field of an asset, right the heading, compared without regard to case and blanks at its ends. Lists (groups,
tags, aliases) are split at commas, semicolons and bars. `attributes=*` takes every column that is not mapped, under its
heading in small letters. Without a mapping the headings must be the fields' own names, and other columns are left out,
which is said. Credentials are left out and said by line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.csv_rows import CsvRow, csv_rows, delimiter_of
from opswire.assets.records import AssetRecord, ImportedFile, LineNote
from opswire.assets.vocabulary import fold, secret_reason, slug

TEXTS = ("name", "type", "environment", "criticality", "address", "owner", "site", "os", "parent", "external_id")
LISTS = ("groups", "tags", "aliases")
_ATTRIBUTE = "attributes."
_SEPARATOR = re.compile(r"[,;|]")


@dataclass(slots=True)
class _Columns:
    """Which field each column fills; a column without one is left out."""

    fields: list[str | None] = field(default_factory=list)

    def record(self, row: CsvRow, result: ImportedFile) -> AssetRecord:
        values: dict[str, Any] = {}
        attributes: dict[str, str] = {}
        for name, raw in zip(self.fields, row.cells, strict=True):
            cell = raw.strip()
            if name is None or not cell:
                continue
            if name in LISTS:
                values[name] = [part.strip() for part in _SEPARATOR.split(cell) if part.strip()]
            elif name in TEXTS:
                values[name] = cell
            elif reason := secret_reason(name.removeprefix(_ATTRIBUTE), cell):
                result.notes.append(LineNote(row.line, f"{name}: left out, {reason}"))
            else:
                attributes[name.removeprefix(_ATTRIBUTE)] = cell
        return AssetRecord(**{"name": "", **values}, attributes=attributes, line=row.line)


def parse_mapping(text: str) -> dict[str, str]:
    """What a mapping in words asks: heading by field. Raises UnreadableInventoryError for one that is none."""
    mapping: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, heading = (side.strip() for side in part.partition("="))
        if not equals or not heading:
            raise UnreadableInventoryError(f"{part[:80]!r} in the mapping is no `field=heading`")
        if name not in (*TEXTS, *LISTS, "attributes") and not (name.startswith(_ATTRIBUTE) and name != _ATTRIBUTE):
            known = ", ".join((*TEXTS, *LISTS, "attributes.<key>", "attributes=*"))
            raise UnreadableInventoryError(f"{name[:80]!r} in the mapping is no field of an asset; there are {known}")
        if name in mapping:
            raise UnreadableInventoryError(f"{name} is mapped twice")
        mapping[name] = heading
    return mapping


def read_csv(text: str, mapping: dict[str, str]) -> ImportedFile:
    """Read any CSV. Raises UnreadableInventoryError when a mapped heading is not there, or nothing names the assets."""
    rows = csv_rows(text, delimiter_of(text))
    heading = next(rows, CsvRow(0, [])).cells
    result = ImportedFile()
    columns = _columns(heading, mapping or {name: name for name in (*TEXTS, *LISTS)}, bool(mapping), result)
    if "name" not in columns.fields:
        raise UnreadableInventoryError("no column is the asset's name; map one, such as name=Hostname")
    for row in rows:
        problem = row.problem
        if problem is None and len(row.cells) != len(heading):
            problem = f"{len(row.cells)} cells under {len(heading)} headings"
        record = columns.record(row, result) if problem is None else None
        if record is None or not record.name:
            result.rejected.append(LineNote(row.line, problem or "no name"))
        else:
            result.records.append(record)
    return result


def _columns(heading: list[str], mapping: dict[str, str], strict: bool, result: ImportedFile) -> _Columns:
    place = {fold(cell): index for index, cell in reversed(list(enumerate(heading)))}
    columns = _Columns([None] * len(heading))
    for name, wanted in mapping.items():
        if name == "attributes":
            continue
        index = place.get(fold(wanted))
        if index is not None:
            columns.fields[index] = name
        elif strict:
            raise UnreadableInventoryError(f"the file has no column {wanted[:80]!r} for {name}")
    for index, cell in enumerate(heading):
        if columns.fields[index] is None and cell.strip():
            if mapping.get("attributes") == "*":
                columns.fields[index] = _ATTRIBUTE + slug(cell).replace("-", "_")
            else:
                result.notes.append(LineNote(1, f"column {cell.strip()[:80]!r}: left out, nothing is mapped to it"))
    return columns
