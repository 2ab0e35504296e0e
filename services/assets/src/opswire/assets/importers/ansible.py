"""Ansible inventories as groups and hosts, whatever they are written in, in Ansible's own order of precedence.

What becomes of it: every host once, with all groups it is in (its own first, then those above them); `ansible_host` is
the address, else the name itself, as Ansible would connect; `ansible_port` and `ansible_user` are `ssh_port` and
`ssh_user`; other variables are attributes, a host's own over its groups', a child group's over its parent's.
Credentials are left out and said. Environment and `role` come from the group names (see roles.py). The folders
`group_vars` and `host_vars` are not part of the file and are not read.
"""

from __future__ import annotations

import re
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
_FIELDS = {
    "ansible_port": "ssh_port",
    "ansible_user": "ssh_user",
    "ansible_ssh_port": "ssh_port",
    "ansible_ssh_user": "ssh_user",
}
_ADDRESSES = ("ansible_host", "ansible_ssh_host")


@dataclass(slots=True)
class Group:
    """A group: where it was first seen, what is below it, its variables."""

    line: int
    children: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Host:
    """A host, the groups that name it, and its own variables."""

    name: str
    line: int
    groups: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class AnsibleInventory:
    """What was read so far, and the account of it."""

    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    result: ImportedFile = field(default_factory=ImportedFile)
    commented: int = 0

    def group(self, name: str, line: int) -> Group:
        """The group of this name, made where there is none."""
        return self.groups.setdefault(name, Group(line))

    def reject(self, line: int, text: str) -> None:
        """Account for a line that is left out."""
        self.result.rejected.append(LineNote(line, text))

    def note(self, line: int, text: str) -> None:
        """Account for something that is left out of a line."""
        self.result.notes.append(LineNote(line, text))

    def add_hosts(self, pattern: str, group: str, variables: dict[str, str], line: int) -> None:
        """Put the hosts of a pattern such as `web[01:03].example.com:2222` into a group.

        Raises UnreadableInventoryError when the file has more hosts than any inventory.
        """
        try:
            names = expand(pattern)
        except ValueError as error:
            self.reject(line, f"{_shown(pattern)!r}: {error}")
            return
        if len(self.hosts) + len(names) > HOSTS_MAX:
            raise UnreadableInventoryError(f"line {line}: more than {HOSTS_MAX} hosts")
        if wrong := [name for name, _ in names if not _HOST_NAME.fullmatch(name)]:
            self.reject(line, f"{_shown(wrong[0])!r} is no name of a host")
            return
        for name, port in names:
            host = self.hosts.setdefault(fold(name), Host(name, line))
            if group not in host.groups:
                host.groups.append(group)
            host.variables.update(variables)
            if port:
                host.variables["ansible_port"] = port

    def keep(self, variables: dict[str, str], key: str, value: str, line: int) -> None:
        """Take a variable, unless it is a credential or too long, which is then said without its value."""
        if reason := secret_reason(key, value):
            self.note(line, f"{key[:80]}: left out, {reason}")
        elif len(value) > VALUE_CHARACTERS_MAX:
            self.note(line, f"{key[:80]}: left out, longer than {VALUE_CHARACTERS_MAX} characters")
        else:
            variables[key] = value

    def finish(self) -> ImportedFile:
        """Make every host a record."""
        parents: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            for child in group.children:
                parents.setdefault(child, []).append(name)
        for host in self.hosts.values():
            self.result.records.append(_record(self, host, _lineage(host.groups, parents)))
        if not self.hosts:
            self.note(0, f"no host in the file: {len(self.groups)} groups, {self.commented} lines of comment")
        return self.result


def is_group_name(name: str) -> bool:
    """Whether Ansible would take it as a group's name."""
    return _GROUP_NAME.fullmatch(name) is not None


def _shown(word: str) -> str:
    # A `key=value` where a name belongs may be a credential.
    return word.partition("=")[0][:80]


def _lineage(groups: list[str], parents: dict[str, list[str]]) -> list[str]:
    """A host's own groups, then those above them, nearest first; each once, so that a circle of groups ends."""
    found = dict.fromkeys(groups)
    level = list(groups)
    while level:
        level = [above for name in level for above in parents.get(name, []) if above not in found]
        found.update(dict.fromkeys(level))
    return [name for name in found if name not in {"ungrouped", "all"}]


def _record(inventory: AnsibleInventory, host: Host, lineage: list[str]) -> AssetRecord:
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
