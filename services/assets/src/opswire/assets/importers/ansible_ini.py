"""Ansible INI inventories: groups, children, variables, host ranges, in Ansible's own order of precedence.

What becomes of it: every host once, with all groups it is in (its own first, then those above them); `ansible_host` is
the address, else the name itself, as Ansible would connect; `ansible_port` and `ansible_user` are `ssh_port` and
`ssh_user`; other variables are attributes, a host's own over its groups', a child group's over its parent's.
Credentials are left out and said. Environment and `role` come from the group names (see roles.py). The folders
`group_vars` and `host_vars` are not part of the file and are not read.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.host_ranges import HOSTS_MAX, expand
from opswire.assets.importers.roles import environment_from_names, role_from_group
from opswire.assets.records import AssetRecord, ImportedFile, LineNote
from opswire.assets.vocabulary import fold, secret_reason

ATTRIBUTES_MAX = 60  # the contract allows 64; importing adds a few of its own
GROUPS_MAX = 64
VALUE_CHARACTERS_MAX = 1_000

_HOST_NAME = re.compile(r"[\w@][\w.:@/-]*")
_GROUP_NAME = re.compile(r"[\w.:@-]+")
_SECTION = re.compile(r"^\[(?P<group>[^\]:]+)(?::(?P<kind>[a-z]+))?\]\s*(?:[#;].*)?$")
_FIELDS = {
    "ansible_port": "ssh_port",
    "ansible_user": "ssh_user",
    "ansible_ssh_port": "ssh_port",
    "ansible_ssh_user": "ssh_user",
}
_ADDRESSES = ("ansible_host", "ansible_ssh_host")


@dataclass(slots=True)
class _Group:
    line: int
    children: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Host:
    name: str
    line: int
    groups: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Inventory:
    groups: dict[str, _Group] = field(default_factory=dict)
    hosts: dict[str, _Host] = field(default_factory=dict)
    result: ImportedFile = field(default_factory=ImportedFile)
    commented: int = 0

    def group(self, name: str, line: int) -> _Group:
        return self.groups.setdefault(name, _Group(line))

    def reject(self, line: int, text: str) -> None:
        self.result.rejected.append(LineNote(line, text))

    def note(self, line: int, text: str) -> None:
        self.result.notes.append(LineNote(line, text))


def read_ansible_ini(text: str) -> ImportedFile:
    """Read an INI inventory. Raises UnreadableInventoryError when no line of it is one."""
    inventory = _Inventory()
    section, kind = "ungrouped", "hosts"
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            inventory.commented += bool(line)
            continue
        if line.startswith("[") and (found := _SECTION.match(line)):
            section, kind = found["group"].strip(), found["kind"] or "hosts"
            if kind not in {"hosts", "children", "vars"}:
                inventory.reject(number, f"[{section}:{kind}]: no such kind of section; its lines are left out")
            inventory.group(section, number)
            continue
        _read_line(inventory, section, kind, number, line)
    if not inventory.groups and not inventory.hosts:
        raise UnreadableInventoryError("the file has neither a group nor a host")
    return _finish(inventory)


def _read_line(inventory: _Inventory, section: str, kind: str, number: int, line: str) -> None:
    if kind == "hosts":
        _read_hosts(inventory, section, number, line)
    elif kind == "children":
        name = line.split("#")[0].strip()
        if not _GROUP_NAME.fullmatch(name):
            inventory.reject(number, f"{line[:80]!r} is no name of a group")
            return
        inventory.group(section, number).children.append(name)
        inventory.group(name, number)
    elif kind == "vars":
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            inventory.reject(number, f"{line[:80]!r} is no `key = value`")
            return
        _keep(inventory, inventory.group(section, number).variables, key.strip(), value.strip(), number)
    else:
        inventory.reject(number, f"stands in a section of unknown kind: {line[:80]!r}")


def _read_hosts(inventory: _Inventory, section: str, number: int, line: str) -> None:
    try:
        parts = shlex.split(line, comments=True)
        names = expand(parts[0]) if parts else []
    except ValueError as error:
        inventory.reject(number, f"{line[:80]!r}: {error}")
        return
    variables: dict[str, str] = {}
    for part in parts[1:]:
        key, equals, value = part.partition("=")
        if not equals:
            inventory.reject(number, f"{part!r} is no `key=value`; the host is left out")
            return
        _keep(inventory, variables, key, value, number)
    if len(inventory.hosts) + len(names) > HOSTS_MAX:
        raise UnreadableInventoryError(f"line {number}: more than {HOSTS_MAX} hosts")
    if wrong := [name for name, _ in names if not _HOST_NAME.fullmatch(name)]:
        inventory.reject(number, f"{wrong[0][:80]!r} is no name of a host")
        return
    for name, port in names:
        host = inventory.hosts.setdefault(fold(name), _Host(name, number))
        if section not in host.groups:
            host.groups.append(section)
        host.variables.update(variables)
        if port:
            host.variables["ansible_port"] = port


def _keep(inventory: _Inventory, variables: dict[str, str], key: str, value: str, number: int) -> None:
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    if reason := secret_reason(key, value):
        inventory.note(number, f"{key}: left out, {reason}")
    elif len(value) > VALUE_CHARACTERS_MAX:
        inventory.note(number, f"{key}: left out, longer than {VALUE_CHARACTERS_MAX} characters")
    else:
        variables[key] = value


def _finish(inventory: _Inventory) -> ImportedFile:
    parents: dict[str, list[str]] = {}
    for name, group in inventory.groups.items():
        for child in group.children:
            parents.setdefault(child, []).append(name)
    for host in inventory.hosts.values():
        inventory.result.records.append(_record(inventory, host, _lineage(host.groups, parents)))
    if not inventory.hosts:
        inventory.note(
            0, f"no host in the file: {len(inventory.groups)} groups, {inventory.commented} lines of comment"
        )
    return inventory.result


def _lineage(groups: list[str], parents: dict[str, list[str]]) -> list[str]:
    """A host's own groups, then those above them, nearest first; each once, so that a circle of groups ends."""
    found = dict.fromkeys(groups)
    level = list(groups)
    while level:
        level = [above for name in level for above in parents.get(name, []) if above not in found]
        found.update(dict.fromkeys(level))
    return [name for name in found if name not in {"ungrouped", "all"}]


def _record(inventory: _Inventory, host: _Host, lineage: list[str]) -> AssetRecord:
    variables: dict[str, str] = {}
    for name in ("all", *reversed(lineage)):
        if name in inventory.groups:
            variables.update(inventory.groups[name].variables)
    variables.update(host.variables)
    address = next((variables.pop(key) for key in _ADDRESSES if variables.get(key)), host.name)
    attributes = {_FIELDS.get(key, key): value for key, value in variables.items()}
    direct = [name for name in host.groups if name in lineage]
    if direct:
        attributes.setdefault("role", role_from_group(direct[0]))
    if len(attributes) > ATTRIBUTES_MAX:
        inventory.note(host.line, f"{host.name}: only {ATTRIBUTES_MAX} of {len(attributes)} variables are kept")
        attributes = dict(list(attributes.items())[:ATTRIBUTES_MAX])
    if len(lineage) > GROUPS_MAX:
        inventory.note(host.line, f"{host.name}: only {GROUPS_MAX} of {len(lineage)} groups are kept")
    environment, contradiction = environment_from_names(lineage)
    if environment is None and contradiction is None:
        environment, _ = environment_from_names([host.name])
    if contradiction:
        inventory.note(host.line, f"{host.name}: {contradiction}")
    return AssetRecord(
        name=host.name,
        type="host",
        environment=environment,
        address=address,
        groups=lineage[:GROUPS_MAX],
        attributes=attributes,
        line=host.line,
    )
