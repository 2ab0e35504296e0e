"""Our own YAML inventory.

    defaults:                     # optional: what an asset has unless it says otherwise
      environment: production
      owner: platform
      tags: [core]
      attributes: {ssh_user: ops}
    assets:
      - name: web-01              # required, unique in the file without regard to case
        type: host                # host, service, database, application, ... ; host if not given
        environment: staging      # production, staging, development, test (prod, stg, dev, qa too)
        criticality: high         # low, medium, high, critical
        address: 10.0.0.1
        owner: web-team
        site: dc1
        os: Debian 12
        parent: rack-7            # what it lives on: the host of a service
        groups: [web]
        tags: [edge]
        aliases: [www]
        attributes:               # any keys; every value is text, exactly as written
          ssh_port: 22
          credential: file:lab/id_ed25519     # a reference, never a value

Scalars are text as written (`08` stays `08`, `no` stays `no`); `null`, `~` and nothing mean `not stated`. Attributes of
`defaults` are merged by key, everything else is replaced. Anchors, aliases, tags and several documents are refused: a
file must mean what can be read in it, and a few lines of aliases can expand to gigabytes.
"""

from __future__ import annotations

from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.yaml_tree import Mapping, Value, parse_yaml
from opswire.assets.records import AssetRecord, ImportedFile, LineNote
from opswire.assets.vocabulary import fold, secret_reason

DEPTH_MAX = 8

_TEXTS = ("type", "environment", "criticality", "address", "owner", "site", "os", "parent")
_LISTS = ("groups", "tags", "aliases")


def read_yaml(text: str) -> ImportedFile:
    """Read our own format. Raises UnreadableInventoryError when it is no YAML or has no list `assets`."""
    documents = parse_yaml(text, DEPTH_MAX)
    if len(documents) > 1:
        raise UnreadableInventoryError("a second document begins; one file is one document")
    top = documents[0] if documents else None
    if not isinstance(top, Mapping) or not isinstance(top.values.get("assets"), list):
        raise UnreadableInventoryError("the file has no list `assets`")
    result = ImportedFile()
    for key in top.values.keys() - {"assets", "defaults"}:
        result.notes.append(LineNote(top.lines[key], f"{key}: left out, only `assets` and `defaults` are read"))
    defaults = top.values.get("defaults")
    base = AssetRecord(name="")
    if isinstance(defaults, Mapping):
        problem = _fill(base, defaults, result)
        if problem:
            raise UnreadableInventoryError(f"line {defaults.line}: defaults: {problem}")
    elif defaults is not None:
        raise UnreadableInventoryError("`defaults` is not a mapping")
    first_line: dict[str, int] = {}
    for position, item in enumerate(top.values["assets"], 1):
        _add(item, position, base, first_line, result)
    return result


def _add(item: Value, position: int, base: AssetRecord, first_line: dict[str, int], result: ImportedFile) -> None:
    if not isinstance(item, Mapping):
        result.rejected.append(LineNote(0, f"asset {position} is not a mapping"))
        return
    name = item.values.get("name")
    if not isinstance(name, str) or not name.strip():
        result.rejected.append(LineNote(item.line, f"asset {position} has no name"))
        return
    record = AssetRecord(
        name=name.strip(),
        line=item.line,
        attributes=dict(base.attributes),
        **{key: getattr(base, key) for key in (*_TEXTS, *_LISTS)},
    )
    problem = _fill(record, item, result)
    key = fold(name)
    if problem is None and key in first_line:
        problem = f"the name stands on line {first_line[key]} already"
    if problem is not None:
        result.rejected.append(LineNote(item.line, f"{name}: {problem}"))
        return
    first_line[key] = item.line
    result.records.append(record)


def _fill(record: AssetRecord, item: Mapping, result: ImportedFile) -> str | None:
    """Put the values into the record. Returns what makes the item unusable, or None."""
    if item.repeated:
        return f"{item.repeated[0]} is given twice"
    for key, value in item.values.items():
        if key == "name" or value is None:
            continue
        if (key in _TEXTS and isinstance(value, str)) or (key in _LISTS and _is_texts(value)):
            setattr(record, key, value)
        elif key == "attributes" and isinstance(value, Mapping):
            problem = _fill_attributes(record, value, result)
            if problem:
                return problem
        elif key in (*_TEXTS, *_LISTS, "attributes"):
            return f"{key} has the wrong shape"
        else:
            return f"{key} is no field of an asset (put it under attributes)"
    return None


def _is_texts(value: Value) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _fill_attributes(record: AssetRecord, given: Mapping, result: ImportedFile) -> str | None:
    if given.repeated:
        return f"attributes.{given.repeated[0]} is given twice"
    for key, value in given.values.items():
        if value is None:
            record.attributes.pop(key, None)
        elif not isinstance(value, str):
            return f"attributes.{key} must be one value"
        elif reason := secret_reason(key, value):
            result.notes.append(LineNote(given.lines[key], f"attributes.{key}: left out, {reason}"))
        else:
            record.attributes[key] = value
    return None
