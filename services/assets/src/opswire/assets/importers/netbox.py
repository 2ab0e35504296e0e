"""What NetBox knows of a device or virtual machine, as an asset; the same for its CSV export and its JSON dump.

- type: from the role (`Core Switch` is a switch, `Patch Panel` a patch-panel); servers and virtual machines are hosts.
- site, tenant (owner), platform (os), first IP address without its prefix length; role, cluster, cluster group and
  location as groups; the rest (status, serial, rack, ...) as attributes.
- A device without a name is named `device-<id>`, as NetBox shows it by type and id; without an id it is rejected.
- A name that several of them bear is made unique for all, so that their order does not matter: `<name>.<id>`, with the
  name they share as alias. Asking for it is then an ambiguity, as it should be.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from opswire.assets.importers.roles import environment_from_names
from opswire.assets.records import AssetRecord, ImportedFile, LineNote
from opswire.assets.vocabulary import fold, secret_reason, singular, slug

ATTRIBUTES_MAX = 60  # the contract allows 64; importing adds a few of its own

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
class NetBoxRow:
    """One device or machine: where it stands, its values by column, and which kind it is."""

    line: int
    values: dict[str, str]
    name: str
    kind: str


def named_row(line: int, values: dict[str, str], kind: str, result: ImportedFile) -> NetBoxRow | None:
    """The row with the name it goes by, or None when it has neither name nor id, which is then said."""
    name = values.get("name") or (f"{kind}-{values['id']}" if "id" in values else "")
    if not name:
        result.rejected.append(LineNote(line, f"a {kind} with neither name nor id"))
        return None
    if "name" not in values:
        shown = values.get("device_type", kind)
        result.notes.append(LineNote(line, f"no name: called {name} ({shown})"))
    return NetBoxRow(line, values, name, kind)


def add_records(rows: Sequence[NetBoxRow], result: ImportedFile) -> None:
    """Make all rows records of the result; those that cannot be told apart are rejected there."""
    bearers = Counter(fold(row.name) for row in rows)
    for row in rows:
        shared = bearers[fold(row.name)] > 1
        if shared and not row.values.get("id"):
            text = f"{row.name}: several rows bear this name and this one has no id"
            result.rejected.append(LineNote(row.line, text))
            continue
        result.records.append(_record(row, shared, result))


def _record(row: NetBoxRow, shared: bool, result: ImportedFile) -> AssetRecord:
    values, kind = row.values, row.kind
    name = f"{row.name}.{values['id']}" if shared else row.name
    if shared:
        result.notes.append(LineNote(row.line, f"{row.name} has several bearers: this one is {name}, with the alias"))
    groups = [values[key] for key in ("role", "cluster", "cluster_group", "location") if key in values]
    tags = [tag.strip() for tag in values.get("tags", "").split(",") if tag.strip()]
    environment, contradiction = environment_from_names([*tags, *groups, values.get("tenant", ""), row.name])
    if contradiction:
        result.notes.append(LineNote(row.line, f"{name}: {contradiction}"))
    attributes = _attributes(values, name, row.line, result)
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


def _attributes(values: dict[str, str], name: str, line: int, result: ImportedFile) -> dict[str, str]:
    attributes: dict[str, str] = {key: values[key] for key in ("cluster", "role") if key in values}
    for key, value in values.items():
        if key in _FIELDS:
            continue
        if reason := secret_reason(key, value):
            result.notes.append(LineNote(line, f"{name}: {key} left out, {reason}"))
        elif len(attributes) >= ATTRIBUTES_MAX:
            result.notes.append(LineNote(line, f"{name}: {key} left out, more than {ATTRIBUTES_MAX} attributes"))
        else:
            attributes[key] = value
    return attributes


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
