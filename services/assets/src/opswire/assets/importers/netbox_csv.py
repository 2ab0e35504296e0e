"""NetBox CSV exports of devices and of virtual machines, told apart by their columns.

Headings are read without regard to case and blanks (`IP Address` is `ip_address`). What becomes of a row:

- type: from the role (`Core Switch` is a switch, `Patch Panel` a patch-panel); servers and virtual machines are hosts.
- site, tenant (owner), platform (os), first IP address without its prefix length; role, cluster, cluster group and
  location as groups; the rest (status, serial, rack, ...) as attributes.
- A device without a name is named `device-<id>`, as NetBox shows it by type and id; without an id it is rejected.
- A name that several rows bear is made unique for all of them, so that the order of the rows does not matter:
  `<name>.<id>`, with the name they share as alias. Asking for it is then an ambiguity, as it should be.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.roles import environment_from_names
from opswire.assets.records import AssetRecord, ImportedFile, LineNote
from opswire.assets.vocabulary import fold, secret_reason, singular, slug

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
_FIELDS = frozenset(
    {"id", "name", "role", "site", "tenant", "platform", "ip_addresses", "tags", "cluster", "cluster_group"}
)
_TYPES = (
    "switch",
    "router",
    "firewall",
    "load balancer",
    "patch panel",
    "pdu",
    "ups",
    "access point",
    "storage",
    "modem",
)
_SERVER = re.compile(r"server|hypervisor|host|node|vm|virtual", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    values: dict[str, str]
    name: str


class _Reader(Protocol):
    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...


def read_netbox_csv(text: str) -> ImportedFile:
    """Read a NetBox export. Raises UnreadableInventoryError when the heading is not one of devices or machines."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    heading = [_column(cell) for cell in next(reader, [])]
    kind = kind_of(heading)
    if kind is None:
        raise UnreadableInventoryError("the heading is neither that of NetBox devices nor of virtual machines")
    result = ImportedFile()
    rows = _rows(reader, heading, kind, result)
    bearers = Counter(fold(row.name) for row in rows)
    for row in rows:
        shared = bearers[fold(row.name)] > 1
        if shared and not row.values.get("id"):
            result.rejected.append(
                LineNote(row.line, f"{row.name}: several rows bear this name and this one has no id")
            )
            continue
        result.records.append(_record(row, kind, shared, result))
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


def _rows(reader: _Reader, heading: list[str], kind: str, result: ImportedFile) -> list[_Row]:
    rows: list[_Row] = []
    try:
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(heading):
                text = f"{len(cells)} cells under {len(heading)} headings"
                result.rejected.append(LineNote(reader.line_num, text))
                continue
            values = {column: cell.strip() for column, cell in zip(heading, cells, strict=True) if cell.strip()}
            name = values.get("name") or (f"{kind}-{values['id']}" if "id" in values else "")
            if not name:
                result.rejected.append(LineNote(reader.line_num, f"a {kind} with neither name nor id"))
                continue
            if "name" not in values:
                shown = values.get("device_type", kind)
                result.notes.append(LineNote(reader.line_num, f"no name: called {name} ({shown})"))
            rows.append(_Row(reader.line_num, values, name))
    except csv.Error as error:
        raise UnreadableInventoryError(f"line {reader.line_num}: {error}") from error
    return rows


def _record(row: _Row, kind: str, shared: bool, result: ImportedFile) -> AssetRecord:
    values = row.values
    name = f"{row.name}.{values['id']}" if shared else row.name
    if shared:
        result.notes.append(LineNote(row.line, f"{row.name} has several bearers: this one is {name}, with the alias"))
    groups = [values[key] for key in ("role", "cluster", "cluster_group", "location") if key in values]
    tags = [tag.strip() for tag in values.get("tags", "").split(",") if tag.strip()]
    environment, contradiction = environment_from_names([*tags, *groups, values.get("tenant", ""), row.name])
    if contradiction:
        result.notes.append(LineNote(row.line, f"{name}: {contradiction}"))
    attributes = {"cluster": values["cluster"]} if "cluster" in values else {}
    attributes |= {"role": values["role"]} if "role" in values else {}
    for key, value in values.items():
        if key in _FIELDS:
            continue
        if reason := secret_reason(key, value):
            result.notes.append(LineNote(row.line, f"{name}: {key} left out, {reason}"))
        else:
            attributes[key] = value
    addresses = [
        part.strip().partition("/")[0] for part in re.split(r"[,;\s]+", values.get("ip_addresses", "")) if part
    ]
    if len(addresses) > 1:
        attributes["addresses"] = ", ".join(addresses)[:1_000]
    return AssetRecord(
        name=name,
        type=_type(values.get("role", ""), kind),
        environment=environment,
        address=addresses[0] if addresses else None,
        owner=values.get("tenant"),
        site=values.get("site"),
        os=values.get("platform"),
        groups=groups,
        tags=tags,
        aliases=[row.name] if shared else None,
        attributes=attributes,
        external_id=f"netbox:{kind}:{values['id']}" if "id" in values else None,
        line=row.line,
    )


def _type(role: str, kind: str) -> str:
    if kind == "virtual-machine":
        return "host"
    folded = fold(role)
    for known in _TYPES:
        if re.search(rf"\b{known}\b", folded):
            return slug(known)
    if not folded or _SERVER.search(folded):
        return "host"
    return slug(singular(folded))
