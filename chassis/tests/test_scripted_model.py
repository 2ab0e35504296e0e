"""The scripted model itself: what a test of a client rests on is tested first, with the SDKs as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import anthropic
import openai
import pytest
from opswire.chassis.testing.scripted_model import CallEnd, ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Cut, Drip, Fail, Garbage, Hang, Huge, Raw

ASKED = [{"role": "user", "content": "is checkout up?"}]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as running:
        yield running


def client_of(model: ScriptedModel, timeout_s: float = 5.0) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=model.url, api_key="none", max_retries=0, timeout=timeout_s)


async def ask(client: openai.AsyncOpenAI) -> str:
    reply = await client.chat.completions.create(model="m", messages=ASKED)  # type: ignore[arg-type]
    return reply.choices[0].message.content or ""


async def test_answers_are_what_the_openai_sdk_reads(model: ScriptedModel) -> None:
    model.then(Answer(lambda body: body["messages"][0]["content"].upper(), cached_tokens=3, timing={"queue_ms": 1.0}))
    async with client_of(model) as client:
        reply = await client.chat.completions.create(model="m", messages=ASKED)  # type: ignore[arg-type]
        assert reply.choices[0].message.content == "IS CHECKOUT UP?"
        assert reply.usage is not None
        assert reply.usage.prompt_tokens_details is not None
        assert reply.usage.prompt_tokens_details.cached_tokens == 3
        assert (reply.model_extra or {})["metrics"] == {"queue_ms": 1.0}
        stream = await client.chat.completions.create(
            model="m",
            messages=ASKED,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "ok"
    assert chunks[-1].usage is not None
    assert [call.end for call in model.calls] == [CallEnd.PLAYED] * 2


async def test_answers_are_what_the_anthropic_sdk_reads(model: ScriptedModel) -> None:
    model.always(Answer("all is well", finish_reason="length", input_tokens=100, cached_tokens=80))
    async with anthropic.AsyncAnthropic(base_url=model.root_url, api_key="none", max_retries=0) as client:
        reply = await client.messages.create(model="m", max_tokens=5, messages=ASKED)  # type: ignore[call-overload]
        assert (reply.content[0].text, reply.stop_reason) == ("all is well", "max_tokens")
        assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens) == (20, 80)
        async with client.messages.stream(model="m", max_tokens=5, messages=ASKED) as stream:  # type: ignore[arg-type]
            assert await stream.get_final_text() == "all is well"
        model.then(Fail(429, retry_after_s=2))
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.create(model="m", max_tokens=5, messages=ASKED)  # type: ignore[call-overload]
    assert caught.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Fail(429, retry_after_s=1.5), openai.RateLimitError),
        (Fail(500), openai.InternalServerError),
        (Fail(401), openai.AuthenticationError),
        (Cut(), openai.APIConnectionError),
        (Raw(), openai.APIConnectionError),
        (Raw(b"not http at all\r\n\r\n"), openai.APIConnectionError),
        (Garbage(), (json.JSONDecodeError, UnicodeDecodeError, openai.APIError)),
        (Hang(), openai.APITimeoutError),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type | tuple) else "",
)
async def test_each_fault_reaches_a_plain_client(
    model: ScriptedModel, step: Fail, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    model.then(step)
    async with client_of(model, timeout_s=0.5) as client:
        with pytest.raises(error):
            await ask(client)
        assert await ask(client) == "ok"


async def test_it_notes_that_a_client_went_away(model: ScriptedModel) -> None:
    model.then(Hang(), Drip(interval_s=0.001))
    async with client_of(model, timeout_s=0.2) as client:
        with pytest.raises(openai.APITimeoutError):
            await ask(client)
        assert (await model.call_ends(0)).end == CallEnd.ABORTED
        stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)  # type: ignore[arg-type]
        await model.calls_come(2)
        await stream.close()
        assert (await model.call_ends(1)).end == CallEnd.ABORTED


async def test_what_hangs_and_drips_can_be_released(model: ScriptedModel) -> None:
    model.then(Hang(), Drip(Answer("late")))
    async with client_of(model, timeout_s=30) as client:
        for expected in ("ok", "late"):
            asked = len(model.calls)
            task = asyncio.create_task(ask(client))
            await model.calls_come(asked + 1)
            await model.reaches(lambda: not isinstance(model.calls[-1].step, Drip) or model.calls[-1].sent_bytes > 0)
            model.release()
            assert await task == expected


async def test_it_refuses_connections_and_comes_back_on_the_same_port(model: ScriptedModel) -> None:
    async with client_of(model) as client:
        assert await ask(client) == "ok"
        model.refuse()
        assert model.open_connections == 0
        with pytest.raises(openai.APIConnectionError):
            await ask(client)
        model.listen()
        assert await ask(client) == "ok"


async def test_a_huge_reply_is_as_large_as_it_says(model: ScriptedModel) -> None:
    model.then(Huge(300_000), Huge(300_000, is_announced=False))
    async with client_of(model) as client:
        assert [len(await ask(client)) for _ in range(2)] == [300_000] * 2


async def test_it_says_how_it_is(model: ScriptedModel) -> None:
    async with client_of(model) as client:
        assert [found.id async for found in client.models.list()] == ["scripted"]
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="m", input="x")
    model.health_status = 503
    assert model.health_calls == 0
