"""The schema that is really sent: fitted to what a provider takes. What is left out is checked by our decoder.

Providers refuse a whole call for one keyword that they do not know. `data/providers.yaml` says which those are. The
bounds that are left out stay readable in the description, because the model otherwise learns of them in a repair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from opswire.chassis.inference.call import OutputSchema
from opswire.chassis.inference.capabilities import Capabilities, SchemaObjects

SCHEMAS_MAX = 64
"""Schemas made for one call (candidates as an enum) come and go."""
_ONE = ("items", "contains", "additionalProperties", "not", "if", "then", "else", "propertyNames")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions", "patternProperties")
Sent = TypeVar("Sent")


def fitted(schema: Mapping[str, Any], known: Capabilities) -> dict[str, Any]:
    """The schema without what the provider refuses, objects closed and complete where it wants that.

    Every reply that fits the original and names all properties fits this one. Nothing is changed in place.
    """
    refused = known.schema_keywords_refused
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in refused:
            continue
        if keyword in _ONE and isinstance(value, Mapping):
            found[keyword] = fitted(value, known)
        elif keyword in _MANY and isinstance(value, list | tuple):
            found[keyword] = [_fitted(each, known) for each in value]
        elif keyword in _NAMED and isinstance(value, Mapping):
            found[keyword] = {name: _fitted(each, known) for name, each in value.items()}
        else:
            found[keyword] = value
    left_out = [f"{keyword} {schema[keyword]}" for keyword in schema if keyword in refused and _is_bound(keyword)]
    if left_out:
        found["description"] = " ".join(filter(None, (str(found.get("description", "")), f"({', '.join(left_out)})")))
    if known.schema_objects is not SchemaObjects.OPEN and "properties" in found:
        found["additionalProperties"] = False
        if known.schema_objects is SchemaObjects.COMPLETE:
            found["required"] = list(found["properties"])
    return found


class SentSchemas(Generic[Sent]):
    """What is sent for a schema, made once for each: the same one is sent in every call of an operation."""

    def __init__(self, known: Capabilities, make: Callable[[str, dict[str, Any]], Sent]) -> None:
        """`make` takes a schema's name and its fitted form."""
        self._known, self._make = known, make
        self._made: dict[int, tuple[OutputSchema[Any], Sent]] = {}

    def of(self, schema: OutputSchema[Any]) -> Sent:
        """What to send for it."""
        made = self._made.get(id(schema))
        if made is not None and made[0] is schema:
            return made[1]
        sent = self._make(schema.name, fitted(schema.json_schema, self._known))
        if len(self._made) >= SCHEMAS_MAX:
            self._made.clear()
        self._made[id(schema)] = (schema, sent)
        return sent


def _fitted(schema: Any, known: Capabilities) -> Any:
    return fitted(schema, known) if isinstance(schema, Mapping) else schema  # `true` and `false` are schemas too


def _is_bound(keyword: str) -> bool:
    return keyword.startswith(("min", "max", "exclusive")) or keyword in ("pattern", "format", "multipleOf")
