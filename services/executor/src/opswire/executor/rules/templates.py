"""Templates: text in which `{name}` stands for an argument, and `{name|sha256}` for the digest of one. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from opswire.executor.errors import BadArgumentError
from opswire.executor.rules.parameters import Value

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)(\|sha256)?\}")


class MissingValueError(KeyError):
    """A placeholder stands for an argument that was not given."""


def places(template: str) -> set[str]:
    """The names of the placeholders."""
    return {match[1] for match in _PLACE.finditer(template)}


def rendered(template: str, values: Mapping[str, Value]) -> Value:
    """The template with its placeholders filled in; one that is nothing but a placeholder keeps the value's type.

    Raises MissingValueError where a value is absent.
    """
    alone = _PLACE.fullmatch(template)
    if alone is not None and alone[2] is None:
        return _value(values, alone[1])
    return _PLACE.sub(lambda match: _filled(match, values), template)


def filled_argv(templates: Sequence[str], values: Mapping[str, Value]) -> list[str]:
    """The arguments of a command; a placeholder for a list stands for all of it, one that is not given for nothing."""
    found: list[str] = []
    for template in templates:
        try:
            value = rendered(template, values)
        except MissingValueError:
            continue
        found += value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else str(value)]
    return found


def _filled(match: re.Match[str], values: Mapping[str, Value]) -> str:
    value = _value(values, match[1])
    if isinstance(value, list):
        raise BadArgumentError(f"{match[1]} is a list and stands for itself only, not inside a text")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return hashlib.sha256(text.encode()).hexdigest() if match[2] else text


def _value(values: Mapping[str, Value], name: str) -> Value:
    try:
        return values[name]
    except KeyError:
        raise MissingValueError(name) from None
