"""Every kind of change gets its verdict, and old and new really read each other where it says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from jsonschema import Draft202012Validator
from opswire.contracts import compatibility
from opswire.contracts.compatibility import First, Kind, breaking, diff
from opswire.contracts.message import Message
from opswire.contracts.schemas import schema_of
from pydantic import Field

BASE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "kind": {"enum": ["a", "b"], "type": "string"},
        "code": {"type": "string", "pattern": "^[a-z]{1,9}$"},
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "default": 0},
        "words": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 5},
            "propertyNames": {"maxLength": 5},
            "maxProperties": 3,
        },
        "note": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "default": None},
        "part": {"$ref": "#/$defs/Part"},
    },
    "required": ["name", "kind"],
    "$defs": {"Part": {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 1}}}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """A copy of BASE with the value at a path of keys replaced, or removed when it is None."""
    copy: dict[str, Any] = json.loads(json.dumps(BASE))
    *above, last = path.split("/")
    node: Any = copy
    for key in above:
        node = node[int(key)] if isinstance(node, list) else node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return copy


SENDERS, CONSUMERS, NOBODY, ANYONE = First.SENDERS, First.CONSUMERS, First.NOBODY, First.ANYONE
CHANGES = [
    ("properties/extra", {"type": "string", "maxLength": 3}, ANYONE, "extra: an optional field is added"),
    ("properties/code", None, CONSUMERS, "code: the field is removed"),
    ("properties/name", None, CONSUMERS, "name: the field is removed, and old consumers need it"),
    ("required", ["name", "kind", "code"], SENDERS, "code: the field becomes required"),
    ("required", ["name"], CONSUMERS, "kind: the field becomes optional"),
    ("properties/name/maxLength", 10, SENDERS, "name: maxLength changes from 20 to 10"),
    ("properties/name/maxLength", 30, CONSUMERS, "name: maxLength changes from 20 to 30"),
    ("properties/name/maxLength", None, CONSUMERS, "name: maxLength changes from 20 to none"),
    ("properties/name/minLength", 2, SENDERS, "name: minLength changes from 1 to 2"),
    ("properties/name/minLength", None, CONSUMERS, "name: minLength changes from 1 to none"),
    ("properties/name/pattern", "^a$", NOBODY, "name: pattern changes from None to '^a$'"),
    ("properties/code/pattern", "^[a-z]{1,8}$", NOBODY, "code: pattern changes"),
    ("properties/kind/enum", ["a", "b", "c"], CONSUMERS, "kind: the value 'c' is added"),
    ("properties/kind/enum", ["a"], SENDERS, "kind: the value 'b' is removed"),
    ("properties/kind/enum", None, CONSUMERS, "kind: any value is allowed now"),
    ("properties/name/enum", ["x"], SENDERS, "name: only listed values are allowed now"),
    ("properties/count/default", 1, NOBODY, "count: the default changes from 0 to 1"),
    ("properties/words/maxItems", 2, SENDERS, "words: maxItems changes from 3 to 2"),
    ("properties/words/items/maxLength", 4, SENDERS, "words[]: maxLength changes from 5 to 4"),
    ("properties/words/items", None, CONSUMERS, "words[]: items is removed"),
    ("properties/labels/maxProperties", 9, CONSUMERS, "labels: maxProperties changes from 3 to 9"),
    ("properties/labels/propertyNames/maxLength", 4, SENDERS, "labels{key}: maxLength changes from 5 to 4"),
    ("properties/labels/additionalProperties/maxLength", 6, CONSUMERS, "labels{}: maxLength changes from 5 to 6"),
    ("properties/labels/additionalProperties", True, CONSUMERS, "labels: fields of any name may hold anything now"),
    ("properties/note/anyOf", [{"type": "string", "maxLength": 9}], SENDERS, "note: null is no longer allowed"),
    ("properties/note/anyOf/0/maxLength", 8, SENDERS, "note: maxLength changes from 9 to 8"),
    ("properties/count/type", "string", SENDERS, "count: integer is no longer allowed"),
    ("$defs/Part/properties/x/maximum", 2, CONSUMERS, "part.x: maximum changes from 1 to 2"),
    ("$defs/Part/additionalProperties", False, SENDERS, "part: unknown fields are refused now"),
    ("additionalProperties", False, SENDERS, "body: unknown fields are refused now"),
]


@pytest.mark.parametrize(("path", "value", "first", "text"), CHANGES)
def test_a_change_gets_its_verdict(path: str, value: Any, first: First, text: str) -> None:
    change, *_ = diff(BASE, changed(path, value))
    assert text in str(change)
    assert change.first is first
    assert change.kind is (Kind.BENIGN if first is ANYONE else Kind.BREAKING)


def test_the_same_schema_has_no_change() -> None:
    assert diff(BASE, json.loads(json.dumps(BASE))) == []


def test_prose_is_no_change() -> None:
    assert diff(BASE, BASE | {"title": "T", "description": "D", "$id": "other"}) == []


def test_a_required_field_that_is_added_needs_the_senders_first() -> None:
    new = changed("properties/extra", {"type": "integer"}) | {"required": ["name", "kind", "extra"]}
    (change,) = diff(BASE, new)
    assert (change.kind, change.first) == (Kind.BREAKING, SENDERS)


def test_a_field_added_to_a_strict_plan_needs_the_consumers_first() -> None:
    strict = BASE | {"additionalProperties": False}
    new = changed("properties/extra", {"type": "string", "maxLength": 3}) | {"additionalProperties": False}
    (change,) = diff(strict, new)
    assert (change.kind, change.first) == (Kind.BREAKING, CONSUMERS)


def test_widening_is_benign_while_nobody_reads_the_message() -> None:
    new = changed("properties/kind/enum", ["a", "b", "c"])
    assert breaking(diff(BASE, new))
    assert not breaking(diff(BASE, new, read=False))
    assert breaking(diff(BASE, changed("properties/kind/enum", ["a"]), read=False))


def test_a_schema_inside_itself_is_compared_once() -> None:
    tree = {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"inner": {"$ref": "#/$defs/T"}}}}}
    assert diff(tree, json.loads(json.dumps(tree))) == []


class OldNote(Message):
    """A note as it was."""

    STEM: ClassVar[str] = "note"
    VERSION: ClassVar[int] = 1

    line: Annotated[str, Field(max_length=20)]


class NewNote(OldNote):
    """The same note with one more optional field: benign."""

    colour: Annotated[str, Field(max_length=20)] | None = None


class BrokenNote(OldNote):
    """The same note with one more required field: breaking."""

    colour: Annotated[str, Field(max_length=20)]


def test_old_and_new_read_each_other_after_a_benign_change() -> None:
    assert not breaking(diff(schema_of(OldNote), schema_of(NewNote)))
    old, new = OldNote(line="milk"), NewNote(line="milk", colour="red")
    assert OldNote.from_bytes(new.to_bytes()) == old
    assert NewNote.from_bytes(old.to_bytes()) == NewNote(line="milk")
    Draft202012Validator(schema_of(OldNote)).validate(json.loads(new.to_bytes()))
    Draft202012Validator(schema_of(NewNote)).validate(json.loads(old.to_bytes()))


def test_old_and_new_do_not_read_each_other_after_a_breaking_change() -> None:
    assert breaking(diff(schema_of(OldNote), schema_of(BrokenNote)))
    with pytest.raises(ValueError, match="colour"):
        BrokenNote.from_bytes(OldNote(line="milk").to_bytes())


def test_the_command_line_prints_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(BASE))
    new.write_text(json.dumps(changed("properties/kind/enum", ["a", "b", "c"])))
    assert compatibility.main([str(old), str(new)]) == 1
    assert capsys.readouterr().out == "breaking: kind: the value 'c' is added (consumers first)\n"
    assert compatibility.main([str(old), str(old)]) == 0
    assert capsys.readouterr().out == "no change\n"
