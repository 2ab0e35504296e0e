"""The objects of a NetBox dump, however it was made: devices and machines with what they refer to, addresses included.

The rows are those of the CSV exports, so a dump after an export updates the same assets; netbox.py says what becomes of
them. Objects of other kinds are read only where a device or machine refers to them. A virtual machine on a device has
it as parent. Values of custom fields are attributes `cf_<name>`; context data is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opswire.assets.importers.netbox import NetBoxRow, add_records, named_row
from opswire.assets.records import ImportedFile, LineNote

KINDS = {"dcim.device": "device", "virtualization.virtualmachine": "virtual-machine"}
_INTERFACES = {"dcim.interface": "device", "virtualization.vminterface": "virtual_machine"}
_REFERENCES = {
    "role": "dcim.devicerole",
    "device_role": "dcim.devicerole",
    "site": "dcim.site",
    "tenant": "tenancy.tenant",
    "platform": "dcim.platform",
    "rack": "dcim.rack",
    "location": "dcim.location",
    "cluster": "virtualization.cluster",
}
_PLAIN = ("name", "status", "serial", "asset_tag", "position", "vcpus", "description")
_RENAMED = {"memory": "memory_mb", "disk": "disk_gb", "device_role": "role"}
_NAMES = ("name", "model", "address")

Fields = dict[str, Any]


@dataclass(slots=True)
class NetBoxDump:
    """Objects by model and key, and what refers to them. `take` them all, then `read_dump`.

    A reference is the key of its object under the reference's name; a content type is app and model in a list.
    """

    objects: dict[tuple[str, int], Fields] = field(default_factory=dict)
    assets: list[tuple[int, str, int]] = field(default_factory=list)
    tags: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    addresses: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def take(self, line: int, model: str, key: int, fields: Fields, result: ImportedFile) -> None:
        """Add an object; one that stands in the file already is rejected."""
        if (model, key) in self.objects:
            result.rejected.append(LineNote(line, f"{model} {key} stands in the file already"))
            return
        self.objects[model, key] = fields
        if model in KINDS:
            self.assets.append((line, model, key))

    def get(self, model: str, key: object) -> Fields:
        """An object's fields, none of them where there is none."""
        return self.objects.get((model, key), {}) if isinstance(key, int) else {}

    def named(self, model: str, key: object) -> str:
        """What an object is called, empty where there is none."""
        found = self.get(model, key)
        return next((text for name in _NAMES if (text := _text(found.get(name)))), "")


def read_dump(dump: NetBoxDump, result: ImportedFile) -> None:
    """Make records of all devices and machines of the dump; what cannot be used is rejected in the result."""
    _connect(dump)
    rows = [row for line, model, key in dump.assets if (row := _row(dump, line, model, key, result))]
    add_records(rows, result)
    _add_parents(dump, rows, result)


def _connect(dump: NetBoxDump) -> None:
    for (model, _), fields in dump.objects.items():
        if model == "extras.taggeditem":
            tag = dump.named("extras.tag", fields.get("tag"))
            if place := _pointed(fields.get("content_type"), fields.get("object_id")):
                dump.tags.setdefault(place, []).extend([tag] if tag else [])
        elif model == "ipam.ipaddress":
            place = _pointed(fields.get("assigned_object_type"), fields.get("assigned_object_id"))
            if place and place[0] in _INTERFACES:
                owner = dump.get(*place).get(_INTERFACES[place[0]])
                kind = "dcim.device" if place[0] == "dcim.interface" else "virtualization.virtualmachine"
                if isinstance(owner, int) and (address := _text(fields.get("address"))):
                    dump.addresses.setdefault((kind, owner), []).append(address)


def _pointed(content_type: object, key: object) -> tuple[str, int] | None:
    if isinstance(content_type, list) and len(content_type) == 2 and isinstance(key, int):
        return ".".join(map(str, content_type)), key
    return None


def _row(dump: NetBoxDump, line: int, model: str, key: int, result: ImportedFile) -> NetBoxRow | None:
    fields = dump.objects[model, key]
    values = {"id": str(key)}
    values |= {name: _text(fields.get(name)) for name in (*_PLAIN, "memory", "disk")}
    values |= {name: dump.named(other, fields.get(name)) for name, other in _REFERENCES.items() if fields.get(name)}
    kind = dump.get("dcim.devicetype", fields.get("device_type"))
    values["device_type"] = _text(kind.get("model"))
    values["manufacturer"] = dump.named("dcim.manufacturer", kind.get("manufacturer"))
    cluster = dump.get("virtualization.cluster", fields.get("cluster"))
    values["cluster_group"] = dump.named("virtualization.clustergroup", cluster.get("group"))
    site = fields.get("site") or cluster.get("site") or cluster.get("_site")  # the last since NetBox 4.2
    values["site"] = dump.named("dcim.site", site)
    region = dump.get("dcim.site", site).get("region")
    values["region"] = dump.named("dcim.region", region)
    values["tags"] = ",".join(dump.tags.get((model, key), []))
    values["ip_addresses"] = ",".join(dict.fromkeys(_addresses(dump, fields, model, key)))
    custom = fields.get("custom_field_data")
    for name, value in custom.items() if isinstance(custom, dict) else ():
        values[f"cf_{name}"] = _text(value)
    shown = {_RENAMED.get(name, name): value for name, value in values.items() if value}
    return named_row(line, shown, KINDS[model], result)


def _addresses(dump: NetBoxDump, fields: Fields, model: str, key: int) -> Iterator[str]:
    for name in ("primary_ip4", "primary_ip6"):
        if address := dump.named("ipam.ipaddress", fields.get(name)):
            yield address
    yield from dump.addresses.get((model, key), [])


def _add_parents(dump: NetBoxDump, rows: Iterable[NetBoxRow], result: ImportedFile) -> None:
    names = {record.external_id: record.name for record in result.records}
    for row, record in zip(rows, result.records, strict=True):
        if row.kind == "virtual-machine":
            device = dump.get("virtualization.virtualmachine", int(row.values["id"])).get("device")
            record.parent = names.get(f"netbox:device:{device}")


def _text(value: object) -> str:
    """A value as text; what is no single value has none."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return ""
    return str(value).strip()
