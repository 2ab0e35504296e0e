"""What the real server answers, through our client: text, bound replies, streams, counts, times and refusals."""

from __future__ import annotations

import time
from contextlib import aclosing

import pytest
from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmServer
from opswire.chassis.inference.errors import InferenceRefusedError, ReplyCutError
from opswire.chassis.stages import Stage
from vllm_scene import ACTIONS, CONTEXT_TOKENS_MAX, SeenSpans, a_call, actions, client_of, counted, endpoint_of

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]
STATIC = "Read the request and say what to do. " * 60
"""Several blocks of the prefix cache: on a CPU one holds 128 tokens."""


async def test_chat_answers_with_usage_and_times(vllm: VllmServer) -> None:
    began = time.perf_counter_ns()
    async with client_of(endpoint_of(vllm)) as client:
        reply = await client.complete(a_call(max_tokens=12))
    assert (reply.model, reply.provider, reply.finish_reason, reply.calls) == (SERVED_NAME, "vllm", "length", 1)
    assert reply.text
    assert (reply.usage.output_tokens, reply.usage.input_tokens > 5) == (12, True)
    assert reply.timing is not None
    served_ns = reply.timing.queue_ns + reply.timing.prefill_ns + reply.timing.decode_ns
    assert 0 < served_ns < time.perf_counter_ns() - began
    assert reply.timing.prefill_ns > 0
    assert reply.timing.decode_ns > 0


async def test_the_servers_times_become_spans_that_fill_the_call(vllm: VllmServer, spans: SeenSpans) -> None:
    async with client_of(endpoint_of(vllm)) as client:
        reply = await client.complete(a_call(max_tokens=24))
    seen = spans.taken()
    (call,) = [one for one in seen if one.name == f"chat {SERVED_NAME}"]
    assert (call.kind, call.attributes["gen_ai.usage.output_tokens"]) == ("CLIENT", 24)
    assert call.attributes["opswire.stage"] == Stage.LLM_FRONTEND
    parts = {one.attributes["opswire.stage"]: one for one in seen if one.parent_id == call.span_id}
    assert {Stage.LLM_QUEUE, Stage.LLM_PREFILL, Stage.LLM_DECODE} <= set(parts)
    assert reply.timing is not None
    decode = parts[Stage.LLM_DECODE]
    assert decode.end_ns - decode.start_ns == reply.timing.decode_ns
    assert all(call.start_ns <= part.start_ns <= part.end_ns <= call.end_ns for part in parts.values())


@pytest.mark.parametrize("text", ["restart checkout", "why is it slow?", "{ [ \\n \\t", "wszystko źle 🔥"])
async def test_a_bound_reply_ends_and_matches(vllm: VllmServer, text: str) -> None:
    async with client_of(endpoint_of(vllm)) as client:
        reply = await client.decide(a_call(text, max_tokens=200), actions(most=8))
    assert 1 <= len(reply.value) <= 8
    assert set(reply.value) <= set(ACTIONS)
    assert (reply.finish_reason, reply.calls) == ("stop", 1)
    assert " " not in reply.text, "the server's switch against white space is off"


async def test_a_reply_that_the_limit_cuts_is_an_error(vllm: VllmServer) -> None:
    async with client_of(endpoint_of(vllm, max_tokens=10)) as client:
        with pytest.raises(ReplyCutError):
            await client.decide(a_call(max_tokens=10), actions(least=50, most=60))


async def test_a_stream_comes_in_parts_and_ends_with_the_whole(vllm: VllmServer) -> None:
    async with client_of(endpoint_of(vllm)) as client, aclosing(client.stream(a_call(max_tokens=40))) as stream:
        chunks = [chunk async for chunk in stream]
    *parts, last = chunks
    assert len(parts) > 5
    assert last.reply is not None
    assert last.reply.text == "".join(part.text for part in parts)
    assert last.reply.usage.output_tokens == 40
    assert last.reply.timing is not None


async def test_a_known_prefix_comes_from_the_cache(vllm: VllmServer) -> None:
    async with client_of(endpoint_of(vllm)) as client:
        first = await client.complete(a_call("status of web-01", system=f"one {STATIC}"))
        hits = await counted(vllm, "vllm:prefix_cache_hits_total")
        second = await client.complete(a_call("status of web-02", system=f"one {STATIC}"))
        moved = await client.complete(a_call(f"one {STATIC}", system="status of web-03"))
        assert await counted(vllm, "vllm:prefix_cache_hits_total") > hits
    assert first.usage.cached_input_tokens == 0
    assert second.usage.cached_input_tokens / second.usage.input_tokens > 0.6
    assert moved.usage.cached_input_tokens == 0, "the same words behind a variable part are no prefix"


@pytest.mark.parametrize(
    ("settings", "text", "max_tokens"),
    [
        ({}, "word " * 2 * CONTEXT_TOKENS_MAX, 8),
        ({"max_tokens": 3 * CONTEXT_TOKENS_MAX}, "short", 2 * CONTEXT_TOKENS_MAX),
        ({"model": "another"}, "short", 8),
    ],
    ids=["a prompt too long", "a reply too long", "a model that is not there"],
)
async def test_what_the_server_refuses_is_refused_once(
    vllm: VllmServer, settings: dict[str, object], text: str, max_tokens: int
) -> None:
    async with client_of(endpoint_of(vllm, **settings)) as client:
        with pytest.raises(InferenceRefusedError) as refused:
            await client.complete(a_call(text, max_tokens))
        assert str(refused.value)
        assert (await client.complete(a_call())).text if not settings else True


async def test_the_anthropic_path_asks_the_same_server(vllm: VllmServer) -> None:
    endpoint = endpoint_of(vllm, name="messages", provider="anthropic", base_url=vllm.root_url)
    async with client_of(endpoint) as client:
        first = await client.complete(a_call("status of web-01", system=f"two {STATIC}", max_tokens=12))
        second = await client.complete(a_call("status of web-02", system=f"two {STATIC}", max_tokens=12))
        async with aclosing(client.stream(a_call(max_tokens=20))) as stream:
            chunks = [chunk async for chunk in stream]
    assert (first.finish_reason, first.usage.output_tokens, first.timing) == ("length", 12, None)
    assert first.text
    assert second.usage.cached_input_tokens > first.usage.cached_input_tokens
    assert chunks[-1].reply is not None
    assert chunks[-1].reply.text == "".join(chunk.text for chunk in chunks[:-1])


async def test_the_server_is_healthy_and_says_so(vllm: VllmServer) -> None:
    async with client_of(endpoint_of(vllm)) as client:
        await client.warm([actions(most=3)])
        assert await client.is_healthy()
        (state,) = client.state()["chain"]
    assert state["model"] == SERVED_NAME
