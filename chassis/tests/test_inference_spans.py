"""The spans of model calls: one per attempt, the server's own times inside it without a gap, and the counters."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Iterator

import pytest
from inference_scene import GOOD, NUMBER_SCHEMA, a_call, client_of, endpoint_of, number_in, said_by, streamed
from opswire.chassis.inference.call import Lane, ServerTiming
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.errors import InferenceOverloadedError, InferenceUnavailableError
from opswire.chassis.metrics import Metrics
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import Span, exporter, remote_child
from opswire.chassis.testing.recorded_spans import recorded_spans
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Cut, Fail, Hang

TIMING = {"queue_time_ms": 0.1, "time_to_first_token_ms": 0.2, "generation_time_ms": 0.3}
CHILDREN = [Stage.LLM_QUEUE, Stage.LLM_PREFILL, Stage.LLM_DECODE]


@pytest.fixture
def kept() -> Iterator[list[Span]]:
    """Every span that ends; complete after `exporter.stop()`."""
    with recorded_spans() as spans:
        yield spans


def attempts(kept: list[Span]) -> list[Span]:
    """The CLIENT spans so far, in the order of their start."""
    exporter.stop()
    return sorted((span for span in kept if span.kind == "CLIENT"), key=lambda span: span.start_ns)


def timed(duration_part: float = 1.0) -> Answer:
    """An answer with vLLM's times."""
    return Answer(number_in, timing={name: value * duration_part for name, value in TIMING.items()})


async def test_an_attempt_is_a_client_span_with_the_conventions_names(model: ScriptedModel, kept: list[Span]) -> None:
    model.always(Answer('{"number": 7}', model="m-1", input_tokens=20, output_tokens=5, cached_tokens=16))
    call = dataclasses.replace(a_call(deadline_s=5), prompt_version="merged/v1", request_key="chat/1")
    with remote_child("process", None, "chat/r-1", {}) as parent:
        async with client_of(
            endpoint_of(model, input_usd_per_million_tokens=1, output_usd_per_million_tokens=1)
        ) as client:
            await client.decide(call, NUMBER_SCHEMA)
    (attempt,) = attempts(kept)
    assert (attempt.name, attempt.kind, attempt.status) == ("chat first", "CLIENT", "UNSET")
    assert (attempt.trace_id, attempt.parent_id, attempt.request_key) == (parent.trace_id, parent.span_id, "chat/r-1")
    assert model.calls[0].headers["traceparent"] == attempt.traceparent
    assert attempt.attributes == {
        "opswire.stage": "llm.unsplit",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "first",
        "gen_ai.request.max_tokens": 32,
        "gen_ai.response.model": "m-1",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "server.address": "127.0.0.1",
        "server.port": model.port,
        "opswire.llm.endpoint": "first",
        "opswire.llm.operation": "test.number",
        "opswire.llm.lane": "interactive",
        "opswire.llm.prompt_version": "merged/v1",
        "opswire.llm.finish_reason": "stop",
        "opswire.llm.cost_usd": 25e-6,
        "opswire.llm.cost_source": "configured",
    }


@pytest.mark.parametrize("is_stream", [False, True])
async def test_the_servers_own_times_lie_inside_the_attempt_one_after_the_other(
    model: ScriptedModel, kept: list[Span], is_stream: bool
) -> None:
    model.always(timed())
    async with client_of(endpoint_of(model)) as client:
        if is_stream:
            reply = (await streamed(client, a_call(deadline_s=5)))[-1].reply
            assert reply is not None
            assert reply.timing == ServerTiming(100_000, 200_000, 300_000)
        else:
            await client.complete(a_call(deadline_s=5))
    (attempt,) = attempts(kept)
    assert attempt.attributes["opswire.stage"] == Stage.LLM_FRONTEND
    children = sorted((s for s in kept if s.parent_id == attempt.span_id), key=lambda s: s.start_ns)
    stages = [child.attributes["opswire.stage"] for child in children]
    assert [stage for stage in stages if stage != Stage.LLM_NETWORK] == CHILDREN
    assert attempt.start_ns <= children[0].start_ns
    assert children[-1].end_ns <= attempt.end_ns
    for before, after in itertools.pairwise(children):
        assert before.end_ns <= after.start_ns
    assert [c.end_ns - c.start_ns for c in children[-3:]] == [100_000, 200_000, 300_000]


@pytest.mark.parametrize("timing", [TIMING | {"queue_time_ms": 9e6}, {"queue_time_ms": 1.0}])
async def test_times_that_cannot_be_are_not_used(
    model: ScriptedModel, kept: list[Span], timing: dict[str, float]
) -> None:
    model.always(Answer(number_in, timing=timing))
    async with client_of(endpoint_of(model)) as client:
        await client.complete(a_call(deadline_s=5))
    (attempt,) = attempts(kept)
    assert attempt.attributes["opswire.stage"] == Stage.LLM_UNSPLIT
    assert [span for span in kept if span.parent_id == attempt.span_id] == []


async def test_every_attempt_has_a_span_of_its_own_with_its_error(model: ScriptedModel, kept: list[Span]) -> None:
    model.then(Fail(429, retry_after_s=0.01), GOOD, Cut(GOOD))
    with ScriptedModel(said_by("second")) as second:
        async with client_of(endpoint_of(model)) as client:
            await client.complete(a_call(deadline_s=5))
        async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
            await client.complete(a_call(deadline_s=5))
    found = attempts(kept)
    assert [(s.attributes["opswire.llm.endpoint"], s.attributes.get("error.type"), s.status) for s in found] == [
        ("first", "rate_limited", "ERROR"),
        ("first", None, "UNSET"),
        ("first", "broken", "ERROR"),
        ("second", None, "UNSET"),
    ]
    assert [s.attributes.get("opswire.llm.attempt") for s in found] == [None, 1, None, None]
    assert {s.attributes["opswire.stage"] for s in found} == {"llm.unsplit"}


async def test_waiting_for_a_place_is_a_span_beside_the_attempts(model: ScriptedModel, kept: list[Span]) -> None:
    model.always(Hang(GOOD))
    async with client_of(endpoint_of(model, concurrency_max=1, queue_max=1)) as client:
        first = asyncio.create_task(client.complete(a_call(1, deadline_s=20)))
        await model.calls_come(1)
        second = asyncio.create_task(client.complete(a_call(2, deadline_s=20)))
        while client.state()["chain"][0]["waiting"] == 0:  # noqa: ASYNC110  a queue has no event
            await asyncio.sleep(0)
        with pytest.raises(InferenceOverloadedError):
            await client.complete(dataclasses.replace(a_call(3), lane=Lane.BULK))
        model.release()
        await first
        await model.calls_come(2)
        model.release()
        await second
    earlier, later = attempts(kept)
    wait, refused = sorted((s for s in kept if s.name == "wait for a place"), key=lambda s: s.status)[::-1]
    assert (wait.status, refused.status) == ("UNSET", "ERROR")
    assert wait.attributes["opswire.stage"] == Stage.LLM_QUEUE
    assert earlier.start_ns < wait.start_ns < wait.end_ns <= later.start_ns


async def test_every_call_is_counted_by_endpoint_operation_and_outcome(model: ScriptedModel) -> None:
    metrics = Metrics()
    configuration = InferenceConfiguration(
        chain=(endpoint_of(model, retries_max=0, input_usd_per_million_tokens=1, output_usd_per_million_tokens=2),)
    )
    client = InferenceClient("test", lambda: configuration, metrics)
    InferenceClient("a second client in the same process", lambda: configuration, metrics)
    model.then(GOOD, Fail(500))
    await client.complete(a_call(deadline_s=5))
    with pytest.raises(InferenceUnavailableError):
        await client.complete(a_call(deadline_s=5))
    (up,) = (family for family in metrics.registry.collect() if family.name == "opswire_inference_endpoint_up")
    assert [(sample.labels["endpoint"], sample.value) for sample in up.samples] == [("first", 1.0)]
    await client.close()

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"endpoint": "first", "operation": "test.number"} | labels)

    assert value("opswire_inference_calls_total", outcome="ok") == 1
    assert value("opswire_inference_calls_total", outcome="server_error") == 1
    assert value("opswire_inference_tokens_total", kind="input") == 20
    assert value("opswire_inference_tokens_total", kind="output") == 5
    assert value("opswire_inference_cost_usd_total") == pytest.approx(30e-6)
