"""YAML as text, lists and mappings that know their lines; what can hide or explode is refused.

Scalars are text as written (`08` stays `08`, `no` stays `no`); `null`, `~` and nothing are None. Anchors and aliases
are refused (a few lines of them can expand to gigabytes, and a file must mean what can be read in it), so are tags,
except those a format names; depth is bounded before anything recurses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from opswire.assets.errors import UnreadableInventoryError

_NULL = frozenset({"", "~", "null", "Null", "NULL"})

Value = Any
"""str, None, list or Mapping; told apart where it is used."""


@dataclass(slots=True)
class Mapping:
    """A YAML mapping with the line it begins on, and of the keys that it gives twice."""

    line: int
    values: dict[str, Value]
    lines: dict[str, int]
    repeated: list[str]


def parse_yaml(text: str, depth_max: int, tags: frozenset[str] = frozenset()) -> list[Value]:
    """Every document of the text. `tags` are taken for granted where they stand. Raises UnreadableInventoryError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(depth_max, tags)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableInventoryError(f"not readable as YAML: {_place(error)}") from error
    return builder.documents


def _place(error: Exception) -> str:
    # Without the snippet that YAML's own message quotes: it may hold a secret.
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return type(error).__name__
    return f"line {mark.line + 1}, column {mark.column + 1}: {str(problem)[:200]}"


class _Builder:
    """Builds documents out of parser events."""

    def __init__(self, depth_max: int, tags: frozenset[str]) -> None:
        self.documents: list[Value] = []
        self._depth_max = depth_max
        self._tags = tags | {None, "!"}
        self._open: list[tuple[Value, list[str]]] = []

    def take(self, event: yaml.Event) -> None:
        line = (event.start_mark.line if event.start_mark else 0) + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise UnreadableInventoryError(f"line {line}: anchors and aliases are not read")
        if getattr(event, "tag", None) not in self._tags and not isinstance(event, yaml.DocumentStartEvent):
            raise UnreadableInventoryError(f"line {line}: tags are not read")
        if isinstance(event, yaml.ScalarEvent):
            # libyaml calls the plain style "", the parser in Python None.
            self._put(None if not event.style and event.value in _NULL else event.value, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) >= self._depth_max:
                raise UnreadableInventoryError(f"line {line}: nested deeper than {self._depth_max}")
            self._open.append(([] if isinstance(event, yaml.SequenceStartEvent) else Mapping(line, {}, {}, []), []))
        elif isinstance(event, yaml.CollectionEndEvent):
            value, _ = self._open.pop()
            self._put(value, line)

    def _put(self, value: Value, line: int) -> None:
        if not self._open:
            self.documents.append(value)
            return
        container, key = self._open[-1]
        if isinstance(container, list):
            container.append(value)
        elif not key:
            if not isinstance(value, str):
                raise UnreadableInventoryError(f"line {line}: a key must be text")
            key.append(value)
        else:
            name = key.pop()
            if name in container.values:
                container.repeated.append(name)
            container.values[name] = value
            container.lines[name] = line
