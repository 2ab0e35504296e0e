"""Servers that answer in forms nobody promised, and a client that is closed, switched or cancelled meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from inference_scene import (
    GOOD,
    NUMBER_SCHEMA,
    PROTOCOLS,
    a_call,
    client_of,
    endpoint_of,
    said_by,
    streamed,
    text_of,
)
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.attempt import Attempt, ask
from opswire.chassis.inference.breaker import FAILURES_MAX
from opswire.chassis.inference.chain import question_for
from opswire.chassis.inference.cost import Tally
from opswire.chassis.inference.errors import (
    InferenceOverloadedError,
    InferenceRefusedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
    ReplyInvalidError,
)
from opswire.chassis.inference.metrics import inference_metrics
from opswire.chassis.inference.place import Place
from opswire.chassis.inference.transport import ERROR_BYTES_MAX, BoundedHttpClient
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Fail, Hang, Raw, Step

NUMBER = 10**18
CHAT: dict[str, Any] = {"choices": [{"message": {"content": '{"number": 7}'}, "finish_reason": "stop"}]}
MESSAGE: dict[str, Any] = {"content": [{"type": "text", "text": '{"number": 7}'}], "stop_reason": "end_turn"}
HEAD = "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n{more}\r\n"


def plain(body: object, status: str = "200 OK", more: str = "") -> Raw:
    """A reply with this body."""
    return Raw((HEAD.format(status=status, kind="application/json", more=more) + json.dumps(body)).encode())


def events(*found: object) -> Raw:
    """A stream of these events."""
    data = "".join(f"data: {json.dumps(each)}\n\n" for each in found)
    return Raw((HEAD.format(status="200 OK", kind="text/event-stream", more="") + data).encode())


ODD_CHAT: tuple[dict[str, Any], ...] = (
    CHAT | {"model": {"a": 1}, "usage": {"prompt_tokens": NUMBER, "completion_tokens": -1}},
    CHAT | {"model": "m" * 10_000, "metrics": {"queue_time_ms": 1e308, "time_to_first_token_ms": 1, "x": 1}},
    CHAT
    | {"metrics": {"queue_time_ms": 1e308, "time_to_first_token_ms": 1e308, "generation_time_ms": 1e308}, "usage": []},
    CHAT | {"usage": {"prompt_tokens": "12", "prompt_tokens_details": {"cached_tokens": None}}, "error": None},
    {"choices": [{"message": {"content": '{"number": 7}'}, "finish_reason": {"a": 1}}]},
)


@pytest.mark.parametrize("body", ODD_CHAT)
async def test_odd_fields_beside_a_good_answer_harm_nothing(model: ScriptedModel, body: dict[str, Any]) -> None:
    model.then(plain(body))
    async with client_of(endpoint_of(model)) as client:
        reply = await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
    assert (reply.value, type(reply.model), type(reply.finish_reason)) == (7, str, str)
    assert len(reply.model) <= 200
    assert 0 <= reply.usage.input_tokens < 1e9


BAD: tuple[object, ...] = (
    {"choices": {}},
    {"choices": [{"message": None}]},
    {"choices": [{"message": {"content": 7}}]},
    {"content": "text"},
    {"content": [{"type": "text", "text": 7}]},
    {"content": [7]},
    {"content": [], "usage": 7},
    [],
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("body", BAD)
async def test_a_body_that_is_no_answer_is_an_invalid_reply(model: ScriptedModel, body: object, protocol: str) -> None:
    model.always(plain(body))
    async with client_of(endpoint_of(model, provider=protocol)) as client:
        with pytest.raises(ReplyInvalidError):
            await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)


STREAMS: tuple[tuple[str, object], ...] = (
    ("vllm", {"choices": 7}),
    ("vllm", {"choices": [{"delta": 7}]}),
    ("vllm", {"usage": 7}),
    ("anthropic", {"type": "message_start", "message": {"usage": "x"}}),
    ("anthropic", {"type": "message_start"}),
    ("anthropic", {"type": "content_block_delta", "delta": 7}),
    ("anthropic", {"type": "message_delta", "delta": None}),
)


@pytest.mark.parametrize(("protocol", "event"), STREAMS)
async def test_an_event_of_no_known_form_is_an_invalid_reply(
    model: ScriptedModel, protocol: str, event: object
) -> None:
    model.always(events(event))
    async with client_of(endpoint_of(model, provider=protocol)) as client:
        with pytest.raises(ReplyInvalidError):
            await streamed(client, a_call(deadline_s=5))
        assert client.state()["chain"][0]["calls"] == 0


async def test_an_error_of_null_beside_the_words_of_a_stream_is_none(model: ScriptedModel) -> None:
    model.then(events({"error": None, "choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}))
    async with client_of(endpoint_of(model)) as client:
        assert text_of((await streamed(client, a_call(deadline_s=5)))[:-1]) == "hi"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(429, InferenceOverloadedError), (502, InferenceUnavailableError), (400, InferenceRefusedError)],
)
async def test_an_error_that_comes_with_status_200_is_what_it_says(
    model: ScriptedModel, code: int, kind: type[OpswireError]
) -> None:
    model.always(plain({"error": {"message": "no", "code": code}}))
    async with client_of(endpoint_of(model)) as client:
        with pytest.raises(kind):
            await client.complete(a_call(deadline_s=5))


STATUSES = {
    301: InferenceRefusedError,
    400: InferenceRefusedError,
    401: InferenceRefusedError,
    402: InferenceRefusedError,
    404: InferenceRefusedError,
    408: InferenceUnavailableError,
    413: InferenceRefusedError,
    429: InferenceOverloadedError,
    500: InferenceUnavailableError,
    502: InferenceUnavailableError,
    503: InferenceOverloadedError,
    504: InferenceUnavailableError,
    529: InferenceOverloadedError,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
async def test_each_status_has_its_error_in_calls_and_streams(
    model: ScriptedModel, status: int, kind: type[OpswireError], protocol: str
) -> None:
    body = {"error": {"message": "x" * 70_000}}
    model.always(plain(body, f"{status} No", "location: http://127.0.0.1:9/elsewhere\r\nretry-after: inf\r\n"))
    async with client_of(endpoint_of(model, provider=protocol)) as client:
        with pytest.raises(kind) as plain_call:
            await client.complete(a_call(deadline_s=5))
        with pytest.raises(kind) as stream:
            await streamed(client, a_call(deadline_s=5))
        assert client.state()["chain"][0]["calls"] == 0
    assert type(plain_call.value) is type(stream.value) is kind
    assert getattr(plain_call.value, "retry_after_s", None) is None
    assert len(str(plain_call.value)) < 600
    assert len(model.calls) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_key_that_no_header_can_hold_is_a_typed_error_without_the_key(
    model: ScriptedModel, protocol: str
) -> None:
    for key in ("sk-\u201csmart\u201d-secret", "sk-secret\r\nx-evil: 1"):
        async with client_of(endpoint_of(model, provider=protocol, api_key=key)) as client:
            with pytest.raises(OpswireError) as caught:
                await client.complete(a_call(deadline_s=5))
        assert "secret" not in str(caught.value)
    assert not [call for call in model.calls if "x-evil" in call.headers]


async def test_headers_of_the_environment_reach_no_server(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "x-proxy-token: of-another-server")
    for protocol in PROTOCOLS:
        async with client_of(endpoint_of(model, provider=protocol)) as client:
            await client.complete(a_call(deadline_s=5))
    assert not [value for call in model.calls for value in call.headers.values() if "of-another-server" in value]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_client_that_is_closed_ends_its_calls_and_opens_nothing_again(
    model: ScriptedModel, is_stream: bool
) -> None:
    model.always(Hang(GOOD))
    async with client_of(endpoint_of(model, retries_max=5)) as client:
        call = a_call(deadline_s=30)
        task = asyncio.ensure_future(streamed(client, call) if is_stream else client.complete(call))
        await model.calls_come(1)
        await client.close()
        with pytest.raises(OpswireError):
            await task
    await model.reaches(lambda: model.open_connections == 0)
    assert len(model.calls) == 1


async def test_a_stream_is_asked_for_again_before_its_first_word_and_never_after(model: ScriptedModel) -> None:
    model.then(Raw(), GOOD)
    async with client_of(endpoint_of(model)) as client:
        chunks = await streamed(client, a_call(deadline_s=5))
        assert chunks[-1].reply is not None
        assert (text_of(chunks), chunks[-1].reply.calls) == ('{"number": 7}', 2)
        assert not [chunk for chunk in chunks if chunk.is_restart]
        model.then(events({"choices": [{"delta": {"content": "half"}}]}))
        with pytest.raises(InferenceUnavailableError):
            await streamed(client, a_call(deadline_s=5))
    assert len(model.calls) == 3


async def test_the_wait_that_a_server_asks_for_is_kept_where_the_fallback_is_left_alone(model: ScriptedModel) -> None:
    with ScriptedModel(said_by("second")) as second:
        async with client_of(endpoint_of(model), endpoint_of(second, "second", retries_max=0)) as client:
            steps: list[Step] = [Fail(500)] * FAILURES_MAX
            model.then(*steps)
            second.always(Fail(500))
            for _ in steps:
                with pytest.raises(InferenceUnavailableError):
                    await client.complete(a_call(deadline_s=5))
            states = [place["breaker"] for place in client.state()["chain"]]
            assert states == ["open", "open"]
            assert len(second.calls) == FAILURES_MAX
        async with client_of(endpoint_of(model), endpoint_of(second, "second", retries_max=0)) as client:
            model.then(*steps[:-1])
            for _ in steps[:-1]:
                with pytest.raises(InferenceUnavailableError):
                    await client.complete(a_call(deadline_s=5))
            model.then(GOOD)  # a success between: only the second one's failures go on
            await client.complete(a_call(deadline_s=5))
            model.then(Fail(500))
            with pytest.raises(InferenceUnavailableError):
                await client.complete(a_call(deadline_s=5))
            assert [place["breaker"] for place in client.state()["chain"]] == ["closed", "open"]
            model.then(Fail(503, retry_after_s=0.05), GOOD)
            reply = await client.complete(a_call(deadline_s=5))
            assert (reply.endpoint, reply.calls) == ("first", 2)


async def test_no_more_of_an_error_is_read_than_anybody_will_read(model: ScriptedModel) -> None:
    model.always(plain({"error": {"message": "x" * 5_000_000}}, "500 No"))
    client = BoundedHttpClient(model.root_url, 5.0)
    try:
        reply = await client.send(client.build_request("POST", f"{model.url}/chat/completions", content=b"{}"))
    finally:
        await client.aclose()
    assert (reply.status_code, len(reply.content) < ERROR_BYTES_MAX + 1_000_000) == (500, True)


async def test_too_many_calls_are_no_reason_to_leave_an_endpoint_alone(model: ScriptedModel) -> None:
    model.always(Fail(429))
    async with client_of(endpoint_of(model, retries_max=0)) as client:
        for _ in range(3 * FAILURES_MAX):
            with pytest.raises(InferenceOverloadedError) as caught:
                await client.complete(a_call(deadline_s=5))
            assert caught.value.cause == "rate_limited"
        assert client.state()["chain"][0]["breaker"] == "closed"
        model.always(GOOD)
        assert (await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)).value == 7


async def test_an_attempt_whose_time_is_over_sends_nothing_and_blames_nobody(model: ScriptedModel) -> None:
    place = Place(endpoint_of(model))
    call, metrics = a_call(deadline_s=5), inference_metrics(Metrics())
    question = question_for(place, call, None)
    now = asyncio.get_running_loop().time()
    try:
        await place.load()
        await ask(Attempt(place, call, question, now + 5, Tally(), metrics), is_last=True)  # its connection is open
        for _ in range(2 * FAILURES_MAX):
            with pytest.raises(InferenceTimeoutError) as caught:
                await ask(Attempt(place, call, question, now - 1, Tally(), metrics), is_last=True)
            assert caught.value.cause == "deadline"
        assert (len(model.calls), place.lanes.taken, str(place.breaker.state)) == (1, 0, "closed")
    finally:
        await place.close()
