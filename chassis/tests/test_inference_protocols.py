"""What is really sent to a model server, and how its answer is read, for each protocol and each kind of provider."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from inference_scene import NUMBER_SCHEMA, PROTOCOLS, a_call, client_of, endpoint_of, said_by, streamed, text_of
from opswire.chassis.inference.call import Lane, Message, Usage
from opswire.chassis.inference.errors import InferenceRefusedError, ReplyInvalidError, ReplyTooLargeError
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Fail, Raw, wrong_schema

LONG = "Read the request. " * 400
"""A stable prefix that is long enough for any provider's cache."""


async def sent(model: ScriptedModel, lane: Lane = Lane.INTERACTIVE, **settings: Any) -> dict[str, Any]:
    """The body that this endpoint gets for a call bound to a schema."""
    async with client_of(endpoint_of(model, **settings)) as client:
        call = dataclasses.replace(a_call(deadline_s=5), lane=lane)
        assert (await client.decide(call, NUMBER_SCHEMA)).value == 7
    body: dict[str, Any] = model.calls[-1].body
    return body


async def test_vllm_is_bound_to_the_schema_and_told_the_lane(model: ScriptedModel) -> None:
    body = await sent(model, max_tokens=16, temperature=0.5)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "number", "strict": True, "schema": dict(NUMBER_SCHEMA.json_schema)},
    }
    assert list(body["response_format"]["json_schema"]["schema"]) == list(NUMBER_SCHEMA.json_schema)
    assert (body["priority"], body["max_tokens"], body["temperature"]) == (0, 16, 0.5)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "stream" not in body
    assert (await sent(model, lane=Lane.BULK))["priority"] == 10
    assert "priority" not in await sent(model, sends_priority=False)
    headers = model.calls[-1].headers
    assert headers["traceparent"].startswith("00-")
    assert not [name for name in headers if name.startswith("x-stainless")]


async def test_other_providers_get_what_their_protocol_knows(model: ScriptedModel) -> None:
    openai = await sent(model, provider="openai")
    assert openai["max_completion_tokens"] == 32
    assert openai["prompt_cache_key"] == "test.number"
    assert not {"priority", "max_tokens"} & set(openai)
    unknown = await sent(model, provider="of-next-year")
    assert not {"priority", "response_format"} & set(unknown)
    system = unknown["messages"][0]["content"]
    assert system.startswith("Say the number.")
    assert json.dumps(dict(NUMBER_SCHEMA.json_schema), separators=(",", ":")) in system


async def test_anthropics_protocol_is_spoken_by_its_own_sdk(model: ScriptedModel) -> None:
    model.always(Answer('{"number": 7}', input_tokens=100, output_tokens=5, cached_tokens=60))
    settings = {"provider": "anthropic", "base_url": model.root_url, "api_key": "secret-key"}
    async with client_of(endpoint_of(model, **settings)) as client:
        reply = await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
        chunks = await streamed(client, a_call(deadline_s=5))
    assert (reply.value, reply.finish_reason, reply.provider) == (7, "stop", "anthropic")
    assert reply.usage == Usage(100, 5, 60, 0)
    assert text_of(chunks) == '{"number": 7}'
    assert chunks[-1].reply is not None
    assert chunks[-1].reply.usage == Usage(100, 5, 60, 0)
    call = model.calls[0]
    assert call.path.endswith("/v1/messages")
    assert "secret-key" in call.headers.get("authorization", "") + call.headers.get("x-api-key", "")
    assert call.body["output_config"]["format"]["schema"] == dict(NUMBER_SCHEMA.json_schema)
    assert call.body["system"] == [{"type": "text", "text": "Say the number."}]


@pytest.mark.parametrize("protocol", ["anthropic", "vllm"])
async def test_only_a_stable_prefix_that_a_provider_would_keep_is_marked(model: ScriptedModel, protocol: str) -> None:
    address = model.root_url if protocol == "anthropic" else model.url
    call = dataclasses.replace(
        a_call(deadline_s=5),
        messages=(
            Message("system", LONG, is_stable=True),
            Message("user", "for example: number 1", is_stable=True),
            Message("assistant", '{"number": 1}', is_stable=True),
            Message("user", "number 7"),
        ),
    )
    async with client_of(endpoint_of(model, provider=protocol, base_url=address)) as client:
        await client.complete(call)
        await client.complete(a_call(deadline_s=5))
    marked, short = (json.dumps(call.body) for call in model.calls)
    assert "cache_control" not in short
    assert marked.count("cache_control") == (1 if protocol == "anthropic" else 0)
    if protocol == "anthropic":
        assert model.calls[0].body["messages"][1]["content"][0]["cache_control"] == {"type": "ephemeral"}


async def test_no_key_of_the_environment_reaches_a_server(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY")
    for name in (*names, "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    await sent(model)
    await sent(model, provider="anthropic", base_url=model.root_url)
    for call in model.calls:
        assert not [value for value in call.headers.values() if "from-the-environment" in value]
    await sent(model, api_key="our-own")
    assert model.calls[-1].headers["authorization"] == "Bearer our-own"


async def test_a_cost_is_of_all_tokens_by_their_prices(model: ScriptedModel) -> None:
    model.always(Answer('{"number": 7}', input_tokens=1_000, output_tokens=100, cached_tokens=800))
    prices = {"input_usd_per_million_tokens": 2.0, "output_usd_per_million_tokens": 10.0}
    async with client_of(endpoint_of(model, **prices, cached_input_usd_per_million_tokens=0.5)) as client:
        reply = await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
    assert reply.cost_usd == pytest.approx((200 * 2 + 800 * 0.5 + 100 * 10) / 1e6)
    async with client_of(endpoint_of(model, **prices)) as client:
        reply = await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
    assert reply.cost_usd == pytest.approx((1_000 * 2 + 100 * 10) / 1e6)
    async with client_of(endpoint_of(model, input_usd_per_million_tokens=2.0)) as client:
        assert (await client.complete(a_call(deadline_s=5))).cost_usd is None


async def test_a_repair_says_what_was_wrong_and_is_paid_for(model: ScriptedModel) -> None:
    model.then(wrong_schema())
    prices = {"input_usd_per_million_tokens": 0.0, "output_usd_per_million_tokens": 1.0}
    async with client_of(endpoint_of(model, **prices)) as client:
        reply = await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
    first, second = (call.body["messages"] for call in model.calls)
    assert second[: len(first)] == first
    assert [message["role"] for message in second[len(first) :]] == ["assistant", "user"]
    assert "a whole number" in second[-1]["content"]
    assert reply.calls == 2
    assert reply.cost_usd == pytest.approx(reply.usage.output_tokens / 1e6)


async def test_a_repair_of_a_cut_reply_may_be_longer_within_the_endpoints_limit(model: ScriptedModel) -> None:
    for limit, asked in ((512, 64), (48, 48)):
        model.then(Answer('{"numb', finish_reason="length"))
        async with client_of(endpoint_of(model, max_tokens=limit)) as client:
            assert (await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)).value == 7
        assert [call.body["max_tokens"] for call in model.calls[-2:]] == [32, asked]


async def test_a_code_fence_is_taken_off_and_nothing_else_is_guessed(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        model.always(Answer('```json\n{"number": 7}\n```'))
        assert (await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)).value == 7
        for text in ('Sure! {"number": 7}', '```python\n{"number": 7}\n```', '{"number": 7} {"number": 8}', ""):
            model.always(Answer(text))
            with pytest.raises(ReplyInvalidError):
                await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)


async def test_a_refusal_of_the_model_is_no_reason_to_ask_again(model: ScriptedModel) -> None:
    model.always(Answer("", finish_reason="content_filter"))
    async with client_of(endpoint_of(model)) as client:
        with pytest.raises(ReplyInvalidError) as caught:
            await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
    assert (caught.value.cause, len(model.calls)) == ("content_refused", 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_a_server_refuses_is_asked_once_and_told_without_the_key(model: ScriptedModel, status: int) -> None:
    model.always(Fail(status, message="the key sk-very-secret or the model is wrong", retry_after_s=0.01))
    for provider, address in (("vllm", model.url), ("anthropic", model.root_url)):
        asked = len(model.calls)
        endpoint = endpoint_of(model, provider=provider, base_url=address, api_key="sk-very-secret", retries_max=5)
        async with client_of(endpoint) as client:
            with pytest.raises(InferenceRefusedError) as caught:
                await client.complete(a_call(deadline_s=5))
            assert client.state()["chain"][0]["breaker"] == "closed"
            assert "secret" not in json.dumps(client.state())
        assert len(model.calls) == asked + 1
        assert str(status) in str(caught.value)
        assert "secret" not in str(caught.value)


async def test_a_redirect_is_not_followed(model: ScriptedModel) -> None:
    away = f"HTTP/1.1 307 Elsewhere\r\nlocation: {model.url}/chat/completions\r\ncontent-length: 0\r\n\r\n"
    model.then(Raw(away.encode()))
    async with client_of(endpoint_of(model)) as client:
        with pytest.raises(InferenceRefusedError) as caught:
            await client.complete(a_call(deadline_s=5))
    assert ("redirect" in str(caught.value), len(model.calls)) == (True, 1)


async def test_a_stream_without_an_end_mark_but_with_a_finish_is_whole(model: ScriptedModel) -> None:
    chunk = {"model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    data = f"data: {json.dumps(chunk)}\r\n\r\n: a comment\r\n\r\n"
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    model.then(Raw((head + data).encode()))
    async with client_of(endpoint_of(model)) as client:
        chunks = await streamed(client, a_call(deadline_s=5))
    assert text_of(chunks[:-1]) == "hi"
    assert chunks[-1].reply is not None
    assert chunks[-1].reply.text == "hi"


async def test_an_error_in_the_middle_of_a_stream_goes_to_the_fallback(model: ScriptedModel) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": None}]}
    error = {"error": {"message": "the engine died", "type": "InternalServerError", "code": 500}}
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in (chunk, error))
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    model.then(Raw((head + data).encode()))
    with ScriptedModel(said_by("second")) as second:
        async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
            chunks = await streamed(client, a_call(deadline_s=5))
    assert [chunk.text for chunk in chunks if chunk.is_restart], "no restart was said"
    assert chunks[0].text == "half"
    assert text_of(chunks) == '{"number": 7}'


LONG_WORDS = 10_000


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_long_stream_of_short_words_comes_whole(model: ScriptedModel, protocol: str) -> None:
    """As a model server sends it: an event of hundreds of bytes for each word, several megabytes in all."""
    model.then(Answer("word " * LONG_WORDS))
    async with client_of(endpoint_of(model, provider=protocol, timeout_s=60)) as client:
        chunks = await streamed(client, a_call(deadline_s=60))
    assert len(chunks) > LONG_WORDS
    assert chunks[-1].reply is not None
    assert chunks[-1].reply.text == "word " * LONG_WORDS


@pytest.mark.parametrize("line", [b"data: ", b": a comment that never ends "])
async def test_an_endless_line_of_a_stream_is_not_read_to_its_end(model: ScriptedModel, line: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    model.then(Raw(head + line + b"x" * 3_000_000))
    async with client_of(endpoint_of(model)) as client:
        with pytest.raises(ReplyTooLargeError):
            await streamed(client, a_call())
