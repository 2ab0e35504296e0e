"""Walks a JSON Schema: which of its places have no upper bound, and which of its fields a document sets.

It knows the keywords that pydantic writes for our messages, no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opswire.contracts.message import JsonObject

_BOUNDED_FORMATS = frozenset({"date", "date-time", "time", "uuid", "ipv4", "ipv6"})
_CHARACTER_CLASS = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]")
_ENDLESS = re.compile(r"[*+]|\{\d+,\}")
_TYPE_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a schema: `answer.rows[][]` is a cell, `labels{}` a value and `labels{key}` a key of a mapping."""

    path: str
    schema: JsonObject


def resolved(schema: JsonObject, root: JsonObject) -> JsonObject:
    """The schema itself, or what its `$ref` names. Raises KeyError for a reference that leads nowhere."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def branches(schema: JsonObject, root: JsonObject) -> list[JsonObject]:
    """The alternatives of a schema, references resolved; itself alone where it has none."""
    schema = resolved(schema, root)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if not alternatives:
        return [schema]
    return [branch for alternative in alternatives for branch in branches(alternative, root)]


def is_model(schema: JsonObject) -> bool:
    """Whether an object has named fields, as against a mapping from any key."""
    return "properties" in schema


def children(place: Place) -> Iterator[Place]:
    """The places directly inside one that has no alternatives."""
    schema, path = place.schema, place.path
    for name, field in schema.get("properties", {}).items():
        yield Place(f"{path}.{name}" if path else name, field)
    if "items" in schema:
        yield Place(f"{path}[]", schema["items"])
    if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        yield Place(f"{path}{{}}", schema["additionalProperties"])
    if "propertyNames" in schema:
        yield Place(f"{path}{{key}}", {"type": "string"} | schema["propertyNames"])


def places(root: JsonObject) -> Iterator[Place]:
    """Every place of a schema, alternatives each on their own. A model inside itself is walked once."""
    waiting: list[tuple[Place, frozenset[int]]] = [(Place("", root), frozenset())]
    while waiting:
        place, above = waiting.pop()
        for branch in branches(place.schema, root):
            if id(branch) in above:
                continue
            found = Place(place.path, branch)
            yield found
            waiting.extend((child, above | {id(branch)}) for child in children(found))


def unbounded(place: Place) -> str | None:
    """What is unbounded at a place: `string`, `list`, `dict`, `integer` or `free_form`; None when nothing is."""
    schema = place.schema
    if "enum" in schema or "const" in schema:
        return None
    match schema.get("type"):
        case "string":
            return None if _string_is_bounded(schema) else "string"
        case "array":
            return _list_fault(schema)
        case "object":
            return _object_fault(schema)
        case "integer":
            return None if _integer_is_bounded(schema) else "integer"
        case "number" | "boolean" | "null":
            return None
    return "free_form"


def pattern_is_bounded(pattern: str) -> bool:
    """Whether a pattern is anchored at both ends and repeats nothing without end."""
    bare = _CHARACTER_CLASS.sub("c", pattern)
    return bare.startswith("^") and bare.endswith("$") and not _ENDLESS.search(bare)


def _string_is_bounded(schema: JsonObject) -> bool:
    if "maxLength" in schema or schema.get("format") in _BOUNDED_FORMATS:
        return True
    return "pattern" in schema and pattern_is_bounded(schema["pattern"])


def _list_fault(schema: JsonObject) -> str | None:
    if "maxItems" not in schema:
        return "list"
    return None if schema.get("items") or schema.get("prefixItems") else "free_form"


def _object_fault(schema: JsonObject) -> str | None:
    extra = schema.get("additionalProperties")
    if is_model(schema):
        return "free_form" if extra is True else None
    if not isinstance(extra, dict) or not extra:
        return "free_form"
    return None if "maxProperties" in schema and "propertyNames" in schema else "dict"


def _integer_is_bounded(schema: JsonObject) -> bool:
    low = schema.keys() & {"minimum", "exclusiveMinimum"}
    high = schema.keys() & {"maximum", "exclusiveMaximum"}
    return bool(low and high)


def field_paths(root: JsonObject) -> set[str]:
    """The paths of every named field of a schema, and of every list item and mapping value."""
    return {place.path for place in places(root) if place.path and not place.path.endswith("{key}")}


def paths_set(document: Any, root: JsonObject) -> tuple[set[str], set[str]]:
    """The paths that a document sets to something else than null, and the fields it has that no schema names."""
    given: set[str] = set()
    unknown: set[str] = set()
    waiting: list[tuple[Any, Place]] = [(document, Place("", root))]
    while waiting:
        value, place = waiting.pop()
        if value is None:
            continue
        given.add(place.path)
        for branch in branches(place.schema, root):
            if branch.get("type", _TYPE_NAMES[type(value)]) != _TYPE_NAMES[type(value)]:
                continue
            waiting.extend(_values(value, Place(place.path, branch), unknown))
    return given - {""}, unknown


def _values(value: Any, place: Place, unknown: set[str]) -> Iterator[tuple[Any, Place]]:
    """The values inside one, each with its place."""
    schema, path = place.schema, place.path
    if isinstance(value, list):
        yield from ((item, Place(f"{path}[]", schema.get("items", {}))) for item in value)
    elif isinstance(value, dict) and is_model(schema):
        for name, inner in value.items():
            inner_path = f"{path}.{name}" if path else name
            if name in schema["properties"]:
                yield inner, Place(inner_path, schema["properties"][name])
            else:
                unknown.add(inner_path)
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        yield from ((inner, Place(f"{path}{{}}", schema["additionalProperties"])) for inner in value.values())
