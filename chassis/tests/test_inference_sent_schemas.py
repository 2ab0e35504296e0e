"""The schema and the settings that reach each provider: nothing that it refuses, over real HTTP."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from inference_scene import NUMBER_SCHEMA, a_call, client_of, endpoint_of
from opswire.chassis.inference.batch.anthropic_batches import message_params
from opswire.chassis.inference.batch.items import BatchItem
from opswire.chassis.inference.batch.lines import chat_body
from opswire.chassis.inference.call import OutputSchema
from opswire.chassis.inference.capabilities import SchemaObjects, StructuredOutput, registry
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.schemas import SCHEMAS_MAX, SentSchemas, fitted
from opswire.chassis.testing.scripted_model import ScriptedModel

ROWS = registry()
FULL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "minimum": 0, "maximum": 99},
        "maxLength": {"type": "string", "maxLength": 8, "minLength": 1, "pattern": "^[a-z]+$"},
        "list": {
            "type": "array",
            "minItems": 2,
            "maxItems": 3,
            "uniqueItems": True,
            "items": {"type": "object", "properties": {"of": {"$ref": "#/$defs/of"}}, "required": []},
        },
    },
    "required": ["number"],
    "$defs": {"of": {"anyOf": [{"type": "string", "format": "date", "maxLength": 10}, {"type": "null"}]}},
}
"""Bounds at every depth, an open object, an optional property, and one that is called like a keyword."""
ITEM = BatchItem("one", a_call().messages, 32, None, "number", FULL)


def named(endpoint: Endpoint, model: str) -> Endpoint:
    """The endpoint with another model."""
    return endpoint.model_copy(update={"model": model})


def schemas_in(value: object) -> Iterator[Mapping[str, Any]]:
    """Every schema in this one, itself too; names of properties are none."""
    if isinstance(value, list):
        for each in value:
            yield from schemas_in(each)
    if isinstance(value, Mapping):
        yield value
        for keyword, inner in value.items():
            if keyword in ("properties", "$defs"):
                for each in inner.values():
                    yield from schemas_in(each)
            elif keyword in ("items", "anyOf"):
                yield from schemas_in(inner)


async def sent(model: ScriptedModel, provider: str, /, **settings: Any) -> dict[str, Any]:
    """The body of a call that is bound to the full schema."""
    anthropic = ROWS[provider].protocol == "anthropic"
    address = model.root_url if anthropic else model.url
    schema = dataclasses.replace(NUMBER_SCHEMA, json_schema=FULL)
    endpoint = endpoint_of(model, provider=provider, base_url=address)
    async with client_of(endpoint.model_copy(update=settings)) as client:
        assert (await client.decide(a_call(deadline_s=5), schema)).value == 7
    body: dict[str, Any] = model.calls[-1].body
    return body


BOUND = [name for name, row in ROWS.items() if row.structured_output in ("json_schema", "output_config")]


@pytest.mark.parametrize("provider", BOUND)
async def test_no_keyword_reaches_a_provider_that_refuses_it(model: ScriptedModel, provider: str) -> None:
    body = await sent(model, provider)
    known = ROWS[provider]
    if known.structured_output is StructuredOutput.OUTPUT_CONFIG:
        schema = body["output_config"]["format"]["schema"]
    else:
        assert body["response_format"]["json_schema"]["strict"] is True
        schema = body["response_format"]["json_schema"]["schema"]
    found = list(schemas_in(schema))
    assert len(found) == 9
    assert not known.schema_keywords_refused & {keyword for each in found for keyword in each}
    assert list(schema["properties"]) == ["number", "maxLength", "list"]
    objects = [each for each in found if "properties" in each]
    if known.schema_objects is not SchemaObjects.OPEN:
        assert all(each["additionalProperties"] is False for each in objects)
    if known.schema_objects is SchemaObjects.COMPLETE:
        assert all(each["required"] == list(each["properties"]) for each in objects)


@pytest.mark.parametrize("provider", ["vllm", "ollama"])
async def test_a_server_that_binds_to_bounds_gets_all_of_them(model: ScriptedModel, provider: str) -> None:
    assert (await sent(model, provider))["response_format"]["json_schema"]["schema"] == FULL


def test_what_is_left_out_stays_readable_and_the_original_stays_as_it_was() -> None:
    before = json.dumps(FULL)
    found = fitted(FULL, ROWS["anthropic"])
    assert found["properties"]["list"]["description"] == "(minItems 2, maxItems 3)"
    assert found["properties"]["number"]["description"] == "(minimum 0, maximum 99)"
    assert found["required"] == ["number"]
    assert json.dumps(FULL) == before
    kept = fitted({"type": "string", "description": "A name.", "maxLength": 3}, ROWS["azure_openai"])
    assert kept == {"type": "string", "description": "A name. (maxLength 3)"}
    assert fitted({"type": "array", "items": True}, ROWS["openai"]) == {"type": "array", "items": True}


def test_each_schema_is_fitted_once_and_not_too_many_are_kept() -> None:
    made: list[str] = []
    schemas = [OutputSchema(f"s{number}", FULL, bytes.decode) for number in range(SCHEMAS_MAX + 1)]
    kept = SentSchemas(ROWS["openai"], lambda name, _: made.append(name))
    for schema in (*schemas[:SCHEMAS_MAX], *schemas[:SCHEMAS_MAX]):
        kept.of(schema)
    assert len(made) == SCHEMAS_MAX
    kept.of(schemas[-1])
    kept.of(schemas[0])
    assert made[-2:] == [f"s{SCHEMAS_MAX}", "s0"]


def test_a_batch_is_fitted_as_a_call_is(model: ScriptedModel) -> None:
    azure = chat_body(ITEM, named(endpoint_of(model, provider="azure_openai"), "gpt-5-nano"))
    assert azure["response_format"]["json_schema"]["schema"] == fitted(FULL, ROWS["azure_openai"])
    assert "temperature" not in azure
    anthropic = message_params(ITEM, named(endpoint_of(model, provider="anthropic"), "claude-opus-5"))
    assert anthropic["output_config"]["format"]["schema"] == fitted(FULL, ROWS["anthropic"])
    assert "temperature" not in anthropic
    assert chat_body(ITEM, endpoint_of(model))["temperature"] == 0.0
    assert message_params(ITEM, endpoint_of(model, provider="anthropic"))["temperature"] == 0.0


@pytest.mark.parametrize(
    ("provider", "name", "temperature"),
    [
        ("openai", "gpt-5.6-mini", None),
        ("openai", "o3", None),
        ("openai", "gpt-4.1", 0.0),
        ("azure_openai", "gpt-5", None),
        ("anthropic", "claude-opus-4-8", None),
        ("anthropic", "claude-sonnet-4-5", 0.0),
        ("vllm", "gpt-5-lookalike", 0.0),
    ],
)
async def test_no_temperature_is_set_for_a_model_that_refuses_one(
    model: ScriptedModel, provider: str, name: str, temperature: float | None
) -> None:
    assert (await sent(model, provider, model=name)).get("temperature") == temperature


async def test_an_endpoint_may_send_no_temperature_at_all(model: ScriptedModel) -> None:
    for provider in ("vllm", "anthropic"):
        assert "temperature" not in await sent(model, provider, temperature=None)
    assert (await sent(model, "anthropic", temperature=1.7))["temperature"] == 1.0
    assert (await sent(model, "vllm", temperature=1.7))["temperature"] == 1.7


@pytest.mark.parametrize("provider", ["openai", "azure_openai", "mistral", "groq", "vllm"])
async def test_calls_of_one_operation_share_a_cache_key_where_the_provider_takes_one(
    model: ScriptedModel, provider: str
) -> None:
    body = await sent(model, provider)
    takes_one = provider in ("openai", "azure_openai", "mistral")
    assert body.get("prompt_cache_key") == ("test.number" if takes_one else None)


@pytest.mark.parametrize(("name", "tokens_min"), [("claude-opus-5", 512), ("claude-haiku-4-5-20251001", 4096)])
async def test_a_prefix_is_marked_from_the_models_own_minimum_on(
    model: ScriptedModel, name: str, tokens_min: int
) -> None:
    async with client_of(named(endpoint_of(model, provider="anthropic"), name)) as client:
        for characters in (int(tokens_min * 2.5) - 10, int(tokens_min * 2.5) + 10):
            call = a_call(deadline_s=5)
            prefix = dataclasses.replace(call.messages[0], content="x" * characters)
            await client.complete(dataclasses.replace(call, messages=(prefix, *call.messages[1:])))
    assert ["cache_control" in json.dumps(call.body) for call in model.calls] == [False, True]
