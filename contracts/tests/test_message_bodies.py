"""Bodies on the wire: what is written is read back, and what is not meant is refused."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from opswire.contracts.bounds import Place, branches, children, unbounded
from opswire.contracts.message import Message
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.schemas import STRICT_STEMS, schema_of, this_tree
from pydantic import ValidationError

TREE = this_tree()
EXAMPLES = sorted((TREE.root / "examples").glob("*/v*/*.json"))
FULL = [path for path in EXAMPLES if path.stem.startswith("full")]
# Rules that join several fields, which JSON Schema is not asked to say.
RULES_BEYOND_THE_SCHEMA = {"asset_changed", "request_finished", "request_submitted"}
MESSAGES = [TREE.messages[key] for key in sorted(TREE.messages)]


def name(path: Path) -> str:
    return "/".join(path.parts[-3:])


def message_of(path: Path) -> type[Message]:
    return TREE.messages[path.parent.parent.name, int(path.parent.name[1:])]


def leaves(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every place of a document that is no list and no object, free-form payloads left out."""
    if above == ("event", "payload"):
        return
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*above, key))
    else:
        yield above, node


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return document


def refused(message: type[Message], document: Any) -> bool:
    try:
        message.from_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_survives_the_round_trip(path: Path) -> None:
    message = message_of(path).from_bytes(path.read_bytes())
    assert message_of(path).from_bytes(message.to_bytes()) == message
    if path in FULL:
        assert json.loads(message.to_bytes()) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FULL, ids=name)
def test_a_number_is_never_taken_from_a_string_nor_a_string_from_a_number(path: Path) -> None:
    document, tried = json.loads(path.read_text(encoding="utf-8")), 0
    for place, value in leaves(document):
        if {"rows", "arguments"} & set(place):
            continue  # Cells and arguments may be of several types.
        wrong: Any = 7 if isinstance(value, str) else str(value)
        assert refused(message_of(path), replaced(document, place, wrong)), place
        tried += 1
    assert tried > 0


@pytest.mark.parametrize("path", FULL, ids=name)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400])
def test_a_number_is_finite(path: Path, number: str) -> None:
    document, tried = json.loads(path.read_text(encoding="utf-8")), 0
    for place, value in leaves(document):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        text = json.dumps(replaced(document, place, "@number@")).replace('"@number@"', number)
        assert refused(message_of(path), text.encode()), place
        tried += 1
    assert tried > 0


@pytest.mark.parametrize("path", FULL, ids=name)
def test_an_unknown_field_is_refused_in_plans_and_ignored_elsewhere(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    strict = message_of(path).STEM in STRICT_STEMS
    assert refused(message_of(path), document | {"added_later": {"a": [1]}}) is strict
    if not strict:
        grown = message_of(path).from_bytes(json.dumps(document | {"added_later": 1}).encode())
        assert grown == message_of(path).from_bytes(path.read_bytes())


def test_an_unknown_field_in_a_step_is_refused() -> None:
    document = json.loads((TREE.examples_path(("plan_made", 1)) / "full.json").read_text(encoding="utf-8"))
    assert not refused(PlanMade, document)
    document["steps"][0]["as_root"] = True
    assert refused(PlanMade, document)


def test_the_example_plan_has_the_digest_of_its_steps() -> None:
    for example in ("minimal", "full"):
        document = json.loads((TREE.examples_path(("plan_made", 1)) / f"{example}.json").read_text(encoding="utf-8"))
        canonical = json.dumps(document["steps"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert document["digest"] == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize("path", FULL, ids=name)
def test_an_unknown_enum_value_is_refused(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    root = schema_of(message_of(path))
    enumerated = [place for place, _ in leaves(document) if any("enum" in found for found in schemas_at(root, place))]
    for place in enumerated:
        assert refused(message_of(path), replaced(document, place, "never_heard_of")), place
    assert bool(enumerated) is ('"enum"' in json.dumps(root))


def schemas_at(root: dict[str, Any], place: tuple[Any, ...]) -> list[dict[str, Any]]:
    """The schemas of one place of a document."""
    found = branches(root, root)
    for key in place:
        inner: list[dict[str, Any]] = []
        for schema in found:
            value = schema.get("items") if isinstance(key, int) else schema.get("properties", {}).get(key)
            value = value or (schema.get("additionalProperties") if isinstance(key, str) else None)
            inner += branches(value, root) if isinstance(value, dict) else []
        found = inner
    return found


@pytest.mark.parametrize("request_id", ["", "a.b", "a b", "*", ">", "../x", "é", "a\u0000", "a\n", "x" * 65, "a/b"])
def test_a_request_id_is_one_plain_subject_token(request_id: str) -> None:
    body = {"request_id": request_id, "text": "help", "requester": {"id": "dana", "kind": "human"}}
    assert refused(RequestSubmitted, body)
    assert not refused(RequestSubmitted, body | {"request_id": "x" * 64})


@pytest.mark.parametrize(
    "changes",
    [{"text": None}, {"text": "  "}, {"event": {"format": "json", "payload": {}}}, {"deadline_ms": 99}],
)
def test_a_request_has_exactly_one_of_text_and_event(changes: dict[str, Any]) -> None:
    body = {"request_id": "1", "text": "help", "requester": {"id": "dana", "kind": "human"}}
    assert not refused(RequestSubmitted, body)
    assert refused(RequestSubmitted, body | changes)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"null", b"{}{}", b"\xff", b'"text"', b"\x00"])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.STEM)
def test_what_is_no_json_object_is_refused(message: type[Message], body: bytes) -> None:
    assert refused(message, body)


def documents(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values at and around the bounds of a schema: some within, some one past them."""
    return st.one_of([_values(branch, root) for branch in branches(schema, root)])


def _values(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"].replace("$", r"\Z"), fullmatch=True)
        case "string":
            most = schema["maxLength"]
            size = st.sampled_from([schema.get("minLength", 0), 1, min(most, 2_000), min(most, 2_000) + 1])
            return size.map(lambda length: "é" * length)
        case "integer":
            low, high = schema["minimum"], schema["maximum"]
            return st.sampled_from([low - 1, low, high, high + 1]) | st.integers(low, high)
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            return st.lists(documents(schema["items"], root), min_size=schema.get("minItems", 0), max_size=2)
    if "properties" not in schema:
        inner = schema["additionalProperties"]
        values = documents(inner, root) if isinstance(inner, dict) else st.none() | st.integers(-9, 9)
        return st.dictionaries(st.sampled_from(["a", "b", ""]), values, max_size=2)
    required = set(schema.get("required", ()))
    fields = {key: documents(value, root) for key, value in schema["properties"].items()}
    return st.fixed_dictionaries(
        {key: value for key, value in fields.items() if key in required},
        optional={key: value for key, value in fields.items() if key not in required},
    )


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.STEM)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_model_takes_the_schema_takes_and_the_wire_keeps(message: type[Message], data: st.DataObject) -> None:
    schema = schema_of(message)
    document = data.draw(documents(schema, schema))
    fits = Draft202012Validator(schema).is_valid(document)
    if refused(message, document):
        assert not fits or message.STEM in RULES_BEYOND_THE_SCHEMA
        return
    assert fits
    read = message.from_bytes(json.dumps(document).encode())
    assert message.from_bytes(read.to_bytes()) == read


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.STEM)
def test_one_more_than_a_bound_is_refused(message: type[Message]) -> None:
    """Every bounded string of the full examples, grown to one character past its bound."""
    root, tried = schema_of(message), 0
    for path in sorted(TREE.examples_path((message.STEM, message.VERSION)).glob("full*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for place, value in leaves(document):
            if not isinstance(value, str):
                continue
            for schema in schemas_at(root, place):
                if schema.get("type") == "string" and "maxLength" in schema and "pattern" not in schema:
                    assert refused(message, replaced(document, place, "x" * (schema["maxLength"] + 1))), place
                    tried += 1
    assert tried > 0 or message.STEM == "deadlines_due"


def test_the_walk_finds_what_is_unbounded_in_every_branch() -> None:
    schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 3}]}
    found = list(branches(schema, schema))
    assert [unbounded(Place("", branch)) for branch in found] == ["string", None]
    (item,) = children(Place("", found[1]))
    assert (item.path, unbounded(item)) == ("[]", "string")
