"""The objects of a JSON inventory one by one, each with the line it begins on; a bad one does not spoil the others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # in Python itself since 2.6, missing in the stubs
from typing import Any

from opswire.assets.errors import UnreadableInventoryError

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Item:
    """One element of a list: the line it begins on, the key of its list (empty at the top), and its value."""

    line: int
    key: str
    value: Any


@dataclass(slots=True)
class JsonReader:
    """Reads a document whose objects stand in a list at the top, or in lists under some keys of the top object.

    `other` holds the remaining keys of the top object once all items were read.
    """

    text: str
    other: dict[str, Any] = field(default_factory=dict)
    _at: int = 0
    _line: int = 1
    _counted: int = 0

    def items(self, keys: Iterable[str]) -> Iterator[Item]:
        """Every element. Raises UnreadableInventoryError where the text stops being JSON."""
        wanted = frozenset(keys)
        first = self._next()
        if first == "[":
            yield from self._list("")
        elif first == "{":
            yield from self._object(wanted)
        else:
            raise self._error("neither a list nor an object")
        if self._next():
            raise self._error("something follows the document")

    def _object(self, wanted: frozenset[str]) -> Iterator[Item]:
        self._at += 1
        while self._next() != "}":
            key = self._key()
            if key in wanted and self._next() == "[":
                yield from self._list(key)
            else:
                self.other[key] = self._value()
            if self._next() == ",":
                self._at += 1
            elif self._next() != "}":
                raise self._error("a comma or the end of the object is missing")
        self._at += 1

    def _list(self, key: str) -> Iterator[Item]:
        self._at += 1
        while self._next() != "]":
            line = self._line_here()
            yield Item(line, key, self._value())
            if self._next() == ",":
                self._at += 1
            elif self._next() != "]":
                raise self._error("a comma or the end of the list is missing")
        self._at += 1

    def _key(self) -> str:
        if self._next() != '"':
            raise self._error("a key is missing")
        try:
            key, self._at = scanstring(self.text, self._at + 1, True)
        except ValueError as error:
            raise self._error("a key that does not end") from error
        if self._next() != ":":
            raise self._error("a colon is missing")
        self._at += 1
        self._next()
        return str(key)

    def _value(self) -> Any:
        self._next()
        try:
            value, self._at = _DECODER.raw_decode(self.text, self._at)
        except RecursionError as error:
            raise self._error("nested too deep") from error
        except ValueError as error:
            raise self._error("not readable as JSON") from error
        return value

    def _next(self) -> str:
        """The next character that is not blank; empty at the end."""
        found = _BLANK.match(self.text, self._at)
        self._at = found.end() if found else self._at
        return self.text[self._at : self._at + 1]

    def _line_here(self) -> int:
        self._line += self.text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _error(self, what: str) -> UnreadableInventoryError:
        return UnreadableInventoryError(f"line {self._line_here()}: {what}")
