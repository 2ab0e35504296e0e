"""Ansible YAML inventories: groups with hosts, children and vars, host ranges. See ansible.py for what becomes of them.

    all:
      vars: {ansible_user: ops}
      children:
        web_prod:
          hosts:
            web[01:03].example.com: {http_port: 8080}
          vars: {role_note: front}

Values encrypted with Ansible Vault are left out and said, as every credential is. Variables that are no single value
(lists, mappings) are left out and said. A group that stands in several places is one group, so that a circle of groups
ends. Anchors and aliases are refused (see yaml_tree.py).
"""

from __future__ import annotations

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.ansible import AnsibleInventory, is_group_name
from opswire.assets.importers.yaml_tree import Mapping, Value, parse_yaml
from opswire.assets.records import ImportedFile

DEPTH_MAX = 64
TAGS = frozenset({"!vault", "!unsafe"})
_PARTS = ("hosts", "children", "vars")


def read_ansible_yaml(text: str) -> ImportedFile:
    """Read a YAML inventory. Raises UnreadableInventoryError when it is no YAML or no group stands in it."""
    documents = parse_yaml(text, DEPTH_MAX, TAGS)
    top = documents[0] if documents else None
    if len(documents) > 1 or not isinstance(top, Mapping):
        raise UnreadableInventoryError("an Ansible inventory is one document with groups at its top")
    inventory = AnsibleInventory()
    _reject_repeated(inventory, top)
    for name, value in top.values.items():
        _read_group(inventory, name, value, top.lines[name])
    if not inventory.groups:
        raise UnreadableInventoryError("the file has no group")
    return inventory.finish()


def _read_group(inventory: AnsibleInventory, name: str, value: Value, line: int) -> None:
    if not is_group_name(name):
        inventory.reject(line, f"{name[:80]!r} is no name of a group")
        return
    group = inventory.group(name, line)
    if value is None:
        return
    if not isinstance(value, Mapping):
        inventory.reject(line, f"{name}: a group holds hosts, children and vars")
        return
    _reject_repeated(inventory, value)
    for key, part in value.values.items():
        at = value.lines[key]
        if key not in _PARTS:
            inventory.note(at, f"{name}.{key[:80]}: left out, a group holds hosts, children and vars")
        elif part is not None and not isinstance(part, Mapping):
            inventory.reject(at, f"{name}.{key} is no mapping")
        elif part is not None and key == "vars":
            _keep_all(inventory, group.variables, part)
        elif part is not None and key == "hosts":
            _read_hosts(inventory, name, part)
        elif part is not None:
            _reject_repeated(inventory, part)
            for child, content in part.values.items():
                if is_group_name(child) and child not in group.children:
                    group.children.append(child)
                _read_group(inventory, child, content, part.lines[child])


def _read_hosts(inventory: AnsibleInventory, group: str, hosts: Mapping) -> None:
    _reject_repeated(inventory, hosts)
    for pattern, given in hosts.values.items():
        line = hosts.lines[pattern]
        variables: dict[str, str] = {}
        if isinstance(given, Mapping):
            _keep_all(inventory, variables, given)
        elif given is not None:
            inventory.reject(line, f"{pattern[:80]}: the variables of a host are a mapping")
            continue
        inventory.add_hosts(pattern, group, variables, line)


def _keep_all(inventory: AnsibleInventory, variables: dict[str, str], given: Mapping) -> None:
    _reject_repeated(inventory, given)
    for key, value in given.values.items():
        if isinstance(value, str):
            inventory.keep(variables, key, value, given.lines[key])
        elif value is not None:
            inventory.note(given.lines[key], f"{key[:80]}: left out, it is no single value")


def _reject_repeated(inventory: AnsibleInventory, mapping: Mapping) -> None:
    for key in mapping.repeated:
        inventory.note(mapping.lines[key], f"{key[:80]} is given twice; the last one counts")
