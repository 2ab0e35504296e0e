"""Ansible INI inventories: groups, children, variables, host ranges. See ansible.py for what becomes of them.

What stands on a refused line is not repeated: it may hold a credential.
"""

from __future__ import annotations

import re
import shlex

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.ansible import AnsibleInventory, is_group_name
from opswire.assets.records import ImportedFile

LINE_CHARACTERS_MAX = 100_000

_SECTION = re.compile(r"^\[(?P<group>[^\]:]+)(?::(?P<kind>[a-z]+))?\]\s*(?:[#;].*)?$")


def read_ansible_ini(text: str) -> ImportedFile:
    """Read an INI inventory. Raises UnreadableInventoryError when no line of it is one."""
    inventory = AnsibleInventory()
    section, kind = "ungrouped", "hosts"
    for number, raw in enumerate(text.splitlines(), 1):
        if len(raw) > LINE_CHARACTERS_MAX:
            inventory.reject(number, f"longer than {LINE_CHARACTERS_MAX} characters")
            continue
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
    return inventory.finish()


def _read_line(inventory: AnsibleInventory, section: str, kind: str, number: int, line: str) -> None:
    if kind == "hosts":
        _read_hosts(inventory, section, number, line)
    elif kind == "children":
        name = line.split("#")[0].strip()
        if not is_group_name(name):
            inventory.reject(number, "no name of a group")
            return
        inventory.group(section, number).children.append(name)
        inventory.group(name, number)
    elif kind == "vars":
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            inventory.reject(number, "no `key = value`")
            return
        inventory.keep(inventory.group(section, number).variables, key.strip(), _unquoted(value.strip()), number)
    else:
        inventory.reject(number, "stands in a section of unknown kind")


def _read_hosts(inventory: AnsibleInventory, section: str, number: int, line: str) -> None:
    try:
        parts = shlex.split(line, comments=True)
    except ValueError as error:
        inventory.reject(number, f"not readable: {error}")
        return
    variables: dict[str, str] = {}
    for place, part in enumerate(parts[1:], 2):
        key, equals, value = part.partition("=")
        if not equals:
            inventory.reject(number, f"word {place} is no `key=value`; the host is left out")
            return
        inventory.keep(variables, key, _unquoted(value), number)
    if parts:
        inventory.add_hosts(parts[0], section, variables, number)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
