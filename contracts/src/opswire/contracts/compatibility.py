"""Compares two schemas of one message: can services with the old and with the new one talk while both run?

    python -m opswire.contracts.compatibility OLD.json NEW.json

A change is benign when any mix of old and new senders and consumers works. Otherwise it is breaking, and says who
would have to be deployed first, everywhere, before the others may follow: a change for a new version.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from opswire.contracts.bounds import branches
from opswire.contracts.message import JsonObject


class Kind(StrEnum):
    """Whether old and new understand each other."""

    BENIGN = "benign"
    BREAKING = "breaking"


class First(StrEnum):
    """Who must be deployed before the others for nothing to be refused or misread."""

    ANYONE = "any order"
    CONSUMERS = "consumers first"
    SENDERS = "senders first"
    NOBODY = "no order is safe"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, at a path of the message, with its verdict."""

    kind: Kind
    where: str
    text: str
    first: First

    def __str__(self) -> str:
        return f"{self.kind}: {self.where or 'body'}: {self.text} ({self.first})"


_UPPER = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
_LOWER = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
_HANDLED = frozenset(
    {"$schema", "$id", "$defs", "$ref", "title", "description", "type", "properties", "required", "items", "enum"}
    | {"additionalProperties", "propertyNames", "anyOf", "oneOf", "default", *_UPPER, *_LOWER}
)


def diff(old: JsonObject, new: JsonObject, *, read: bool = True) -> list[Change]:
    """Every change from the old schema to the new one.

    `read` says whether anybody consumes the message yet. Widening it (a new enum value, a longer string) makes old
    consumers refuse new messages, so it is breaking unless there are none. Raises KeyError for a dangling `$ref`.
    """
    changes = list(_diff("", old, new, old, new, frozenset()))
    if read:
        return changes
    return [
        Change(Kind.BENIGN, change.where, change.text, First.ANYONE) if change.first is First.CONSUMERS else change
        for change in changes
    ]


def breaking(changes: Sequence[Change]) -> list[Change]:
    """The changes that need a new version."""
    return [change for change in changes if change.kind is Kind.BREAKING]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. 1 when a change is breaking."""
    parser = argparse.ArgumentParser(description="What changed between two schemas, and who must deploy first.")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args(arguments)
    changes = diff(*(json.loads(path.read_text(encoding="utf-8")) for path in (options.old, options.new)))
    sys.stdout.writelines(f"{line}\n" for line in (map(str, changes) if changes else ["no change"]))
    return 1 if breaking(changes) else 0


def _benign(where: str, text: str) -> Change:
    return Change(Kind.BENIGN, where, text, First.ANYONE)


def _wider(where: str, text: str) -> Change:
    """New senders may send what old consumers refuse."""
    return Change(Kind.BREAKING, where, text, First.CONSUMERS)


def _narrower(where: str, text: str) -> Change:
    """Old senders may send what new consumers refuse."""
    return Change(Kind.BREAKING, where, text, First.SENDERS)


def _diff(
    where: str, old: JsonObject, new: JsonObject, old_root: JsonObject, new_root: JsonObject, above: frozenset[str]
) -> Iterator[Change]:
    """Match the alternatives of both by type; what has no partner was added or removed."""
    pair = json.dumps([old, new], sort_keys=True)
    if pair in above:
        return
    above |= {pair}
    # A default that goes is no change of its own: the field became required, or its default is made by the model.
    if "default" in old and "default" in new and old["default"] != new["default"]:
        text = f"the default changes from {old['default']!r} to {new['default']!r}: old and new read absence apart"
        yield Change(Kind.BREAKING, where, text, First.NOBODY)
    before, after = branches(old, old_root), branches(new, new_root)
    for branch in list(before):
        same = next((other for other in after if other.get("type") == branch.get("type")), None)
        if same is not None:
            before.remove(branch)
            after.remove(same)
            yield from _diff_branch(where, branch, same, old_root, new_root, above)
    for branch in before:
        yield _narrower(where, f"{branch.get('type', 'a value')} is no longer allowed")
    for branch in after:
        yield _wider(where, f"{branch.get('type', 'a value')} is now allowed")


def _diff_branch(
    where: str, old: JsonObject, new: JsonObject, old_root: JsonObject, new_root: JsonObject, above: frozenset[str]
) -> Iterator[Change]:
    yield from _diff_limits(where, old, new)
    yield from _diff_values(where, old, new)
    yield from _diff_fields(where, old, new, old_root, new_root, above)
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{key}")):
        inner_old, inner_new = old.get(keyword), new.get(keyword)
        if isinstance(inner_old, dict) and isinstance(inner_new, dict):
            yield from _diff(where + mark, inner_old, inner_new, old_root, new_root, above)
        elif keyword != "additionalProperties" and inner_old != inner_new:
            yield (
                _narrower(where + mark, f"{keyword} is added")
                if inner_old is None
                else _wider(where + mark, f"{keyword} is removed")
            )
    for keyword in sorted((old.keys() | new.keys()) - _HANDLED):
        if old.get(keyword) != new.get(keyword):
            text = f"{keyword} changes from {old.get(keyword)!r} to {new.get(keyword)!r}"
            yield Change(Kind.BREAKING, where, text, First.NOBODY)


def _diff_limits(where: str, old: JsonObject, new: JsonObject) -> Iterator[Change]:
    for keyword in (*_UPPER, *_LOWER):
        endless = float("inf") if keyword in _UPPER else float("-inf")
        before, after = old.get(keyword, endless), new.get(keyword, endless)
        if before == after:
            continue
        text = f"{keyword} changes from {old.get(keyword, 'none')} to {new.get(keyword, 'none')}"
        grows = after > before if keyword in _UPPER else after < before
        yield _wider(where, text) if grows else _narrower(where, text)


def _diff_values(where: str, old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """Enumerations: a value that goes narrows, one that comes widens."""
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is None:
        return
    if before is None or after is None:
        yield (
            _narrower(where, "only listed values are allowed now")
            if before is None
            else _wider(where, "any value is allowed now")
        )
        return
    yield from (_narrower(where, f"the value {value!r} is removed") for value in before if value not in after)
    yield from (_wider(where, f"the value {value!r} is added") for value in after if value not in before)


def _diff_fields(
    where: str, old: JsonObject, new: JsonObject, old_root: JsonObject, new_root: JsonObject, above: frozenset[str]
) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was, is_now = set(old.get("required", ())), set(new.get("required", ()))
    closed = old.get("additionalProperties") is False
    for name in sorted(before.keys() | after.keys()):
        path = f"{where}.{name}" if where else name
        if name not in after:
            text = "the field is removed, and old consumers need it" if name in was else "the field is removed"
            yield _wider(path, text)
        elif name not in before:
            yield _added(path, required=name in is_now, closed=closed)
        else:
            if name in is_now - was:
                yield _narrower(path, "the field becomes required")
            if name in was - is_now:
                yield _wider(path, "the field becomes optional")
            yield from _diff(path, before[name], after[name], old_root, new_root, above)
    yield from _diff_openness(where, old.get("additionalProperties", True), new.get("additionalProperties", True))


def _added(path: str, *, required: bool, closed: bool) -> Change:
    if required:
        return _narrower(path, "a required field is added")
    if closed:
        return _wider(path, "a field is added to an object that refuses unknown fields")
    return _benign(path, "an optional field is added")


def _diff_openness(where: str, before: Any, after: Any) -> Iterator[Change]:
    """Whether an object takes fields it does not name. Schemas for them are compared elsewhere."""
    if bool(before) and not bool(after) and after is False:
        yield _narrower(where, "unknown fields are refused now")
    elif before is False and after is not False:
        yield _wider(where, "unknown fields are allowed now")
    elif isinstance(before, dict) != isinstance(after, dict):
        yield (
            _narrower(where, "fields of any name are restricted")
            if isinstance(after, dict)
            else _wider(where, "fields of any name may hold anything now")
        )


if __name__ == "__main__":
    sys.exit(main())
