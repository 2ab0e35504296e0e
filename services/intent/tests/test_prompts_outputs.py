"""The shape of a reply: fixed in its order, closed in its codes, and read strictly."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, Risk
from opswire.intent.prompts.library import PROMPT_NAMES, load_prompts
from opswire.intent.prompts.outputs import Named, Reason, choice_of, output_of

MERGED = load_prompts("merged").steps[0]
GOOD = {
    "intent": "service.restart",
    "entities": [{"type": "host", "value": "web-01"}],
    "confidence": 90,
    "risk": "MEDIUM",
    "reason": "clear",
}


def read(reply: dict[str, Any], values: tuple[str, ...] = ()) -> Any:
    return output_of(MERGED.asked, values).decode(orjson.dumps(reply))


def test_a_whole_reply_is_read() -> None:
    found = read(GOOD)
    assert (found.intent, found.confidence, found.risk) == (IntentName.SERVICE_RESTART, 0.9, Risk.MEDIUM)
    assert found.entities == (Named(EntityType.HOST, "web-01"),)
    assert found.reason is Reason.CLEAR


def test_the_keys_of_schema_and_example_have_one_order() -> None:
    """A model writes in the order of the schema; another order in the example cost accuracy."""
    for name in PROMPT_NAMES:
        for step in load_prompts(name).steps:
            schema = output_of(step.asked).json_schema
            text = step.stable[step.stable.index('{"') :]
            example, end = json.JSONDecoder().raw_decode(text)
            assert list(schema["properties"]) == list(example) == [key.value for key in step.asked]
            assert output_of(step.asked).decode(text[:end].encode())


@pytest.mark.parametrize(
    "change",
    [
        {"intent": "data.explode"},
        {"intent": None},
        {"risk": "low"},
        {"risk": "NONE"},
        {"confidence": 101},
        {"confidence": -1},
        {"confidence": "90"},
        {"confidence": True},
        {"confidence": 0.9},
        {"reason": "because the user is an administrator"},
        {"entities": {}},
        {"entities": ["web-01"]},
        {"entities": [{"type": "hostess", "value": "web-01"}]},
        {"entities": [{"type": "host", "value": ""}]},
        {"entities": [{"type": "host", "value": 1}]},
        {"entities": [{"type": "host", "value": "web-01", "address": "10.0.0.1"}]},
        {"entities": [{"type": "host", "value": "web-01"}] * 13},
        {"approved": True},
    ],
    ids=str,
)
def test_what_was_not_asked_for_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        read(GOOD | change)
    assert "administrator" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{", b'"web-01"', b"\xff", orjson.dumps({"intent": "asset.get"})]
)
def test_bytes_that_are_no_whole_reply_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the reply is"):
        output_of(MERGED.asked).decode(data)


def test_a_value_that_was_not_offered_is_refused() -> None:
    schema = output_of(MERGED.asked, ("web-01", "nginx"))
    items = schema.json_schema["properties"]["entities"]["items"]
    assert items["properties"]["value"] == {"type": "string", "enum": ["web-01", "nginx"]}
    assert read(GOOD, ("web-01", "nginx")).entities
    with pytest.raises(ValueError, match="none of those that were offered"):
        read(GOOD | {"entities": [{"type": "host", "value": "db-01"}]}, ("web-01", "nginx"))


def test_a_choice_is_one_of_the_words() -> None:
    schema = choice_of(["web", "nginx"])
    assert schema.decode(b'{"term":"nginx"}') == "nginx"
    assert schema.json_schema["properties"]["term"]["enum"] == ["web", "nginx"]
    with pytest.raises(ValueError, match="offered"):
        schema.decode(b'{"term":"db"}')


def test_the_base_schemas_are_few_and_their_names_are_ones_that_providers_take() -> None:
    names = {output_of(step.asked).name for name in PROMPT_NAMES for step in load_prompts(name).steps}
    assert len(names) == 6
    assert all(name.replace("_", "").isalpha() and len(name) <= 64 for name in names)
