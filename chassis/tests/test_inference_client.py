"""The client over its endpoints: who is asked and when, retries, switching while calls run, health, warming."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time

import pytest
from inference_scene import GOOD, NUMBER_SCHEMA, a_call, client_of, client_with, endpoint_of
from opswire.chassis.inference.call import Lane
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.errors import (
    CircuitOpenError,
    InferenceOverloadedError,
    InferenceRefusedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
    ReplyInvalidError,
)
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.scripted_model import CallEnd, ScriptedModel
from opswire.chassis.testing.scripted_steps import Fail, Hang, Raw, wrong_schema


async def test_a_time_to_wait_that_fits_the_deadline_is_waited_where_no_other_endpoint_follows(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    model.then(Fail(503, retry_after_s=0.2), GOOD)
    begun_s = time.monotonic()
    async with client_of(endpoint_of(model)) as client:
        reply = await client.complete(a_call(deadline_s=10))
    assert (reply.calls, time.monotonic() - begun_s >= 0.2) == (2, True)
    model.then(Fail(503, retry_after_s=30))
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        reply = await client.complete(a_call(deadline_s=60))
    assert (reply.endpoint, reply.calls) == ("second", 2)


@pytest.mark.parametrize("step", [Fail(429), Fail(503), Fail(500), Fail(429, retry_after_s=60)])
async def test_without_a_time_that_fits_nothing_is_repeated(model: ScriptedModel, step: Fail) -> None:
    model.always(step)
    async with client_of(endpoint_of(model, retries_max=5)) as client:
        with pytest.raises(InferenceUnavailableError) as caught:
            await client.complete(a_call(deadline_s=3))
    assert len(model.calls) == 1
    assert caught.value.retry_after_s == step.retry_after_s


async def test_a_refused_connection_is_tried_again_a_bounded_number_of_times(model: ScriptedModel) -> None:
    metrics = Metrics()
    labels = {"endpoint": "first", "operation": "test.number", "outcome": "connect"}

    def refused() -> float:
        return metrics.registry.get_sample_value("opswire_inference_calls_total", labels) or 0

    model.refuse()
    configuration = InferenceConfiguration(chain=(endpoint_of(model, retries_max=2),))
    client = InferenceClient("test", lambda: configuration, metrics)
    try:
        with pytest.raises(InferenceUnavailableError) as caught:
            await client.complete(a_call(deadline_s=10))
        assert (caught.value.cause, refused()) == ("connect", 3)
        task = asyncio.create_task(client.complete(a_call(deadline_s=10)))
        while refused() == 3:  # noqa: ASYNC110  a counter has no event
            await asyncio.sleep(0)
        model.listen()
        assert (await task).calls >= 2
    finally:
        await client.close()


async def test_a_connection_closed_without_an_answer_is_asked_once_more(model: ScriptedModel) -> None:
    model.then(Raw(), GOOD)
    async with client_of(endpoint_of(model)) as client:
        assert (await client.complete(a_call(deadline_s=5))).calls == 2
        model.then(Raw(), Raw())
        with pytest.raises(InferenceUnavailableError) as caught:
            await client.complete(a_call(deadline_s=5))
    assert caught.value.cause == "disconnected"


async def test_an_endpoint_that_hangs_leaves_time_for_the_next(model: ScriptedModel, second: ScriptedModel) -> None:
    model.always(Hang())
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        assert (await client.decide(a_call(deadline_s=4), NUMBER_SCHEMA)).endpoint == "second"
        assert (await model.call_ends(0)).end == CallEnd.ABORTED


async def test_when_all_fail_the_error_names_all_and_prefers_what_may_pass(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        model.always(Fail(401))
        second.always(Fail(503, retry_after_s=20))
        with pytest.raises(InferenceOverloadedError) as overloaded:
            await client.complete(a_call(deadline_s=5))
        assert "first" in str(overloaded.value)
        assert "second" in str(overloaded.value)
        assert (overloaded.value.cause, overloaded.value.retry_after_s) == ("overloaded", 20)
        second.always(Fail(404))
        with pytest.raises(InferenceRefusedError):
            await client.complete(a_call(deadline_s=5))
        model.always(wrong_schema())
        second.always(Fail(500))
        with pytest.raises(ReplyInvalidError):
            await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)


async def test_an_endpoint_left_alone_is_not_asked_and_the_next_answers_at_once(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    model.always(Fail(500))
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        for number in range(20):
            assert (await client.complete(a_call(number, deadline_s=5))).endpoint == "second"
        assert (len(model.calls), len(second.calls)) == (5, 20)
        assert [place["breaker"] for place in client.state()["chain"]] == ["open", "closed"]
    async with client_of(endpoint_of(model, retries_max=0)) as client:
        for _ in range(5):
            with pytest.raises(InferenceUnavailableError):
                await client.complete(a_call(deadline_s=5))
        with pytest.raises(CircuitOpenError):
            await client.complete(a_call(deadline_s=5))


async def test_calls_with_too_little_time_do_not_open_the_breaker(model: ScriptedModel) -> None:
    model.always(Hang())
    async with client_of(endpoint_of(model)) as client:
        for _ in range(8):
            with pytest.raises(InferenceTimeoutError):
                await client.complete(a_call(deadline_s=0.02))
        assert client.state()["chain"][0]["breaker"] == "closed"


async def test_no_more_calls_are_sent_at_once_than_the_endpoint_allows(model: ScriptedModel) -> None:
    model.always(Hang(GOOD))
    async with client_of(endpoint_of(model, concurrency_max=4)) as client:
        bulk = [
            asyncio.create_task(client.complete(dataclasses.replace(a_call(n, deadline_s=30), lane=Lane.BULK)))
            for n in range(10)
        ]
        await model.calls_come(3)  # the last place is kept
        interactive = [asyncio.create_task(client.complete(a_call(n, deadline_s=30))) for n in range(3)]
        await model.calls_come(4)
        assert (client.state()["chain"][0]["calls"], client.state()["chain"][0]["waiting"]) == (4, 9)
        model.always(GOOD)
        model.release()
        replies = await asyncio.gather(*bulk, *interactive)
        assert len(replies) == 13
        assert [call.body["priority"] for call in model.calls][4:6] == [0, 0], "interactive calls waited behind bulk"
        assert (client.state()["chain"][0]["calls"], client.state()["chain"][0]["waiting"]) == (0, 0)


async def test_a_place_that_is_not_free_in_time_is_an_overload(model: ScriptedModel) -> None:
    model.always(Hang(GOOD))
    async with client_of(endpoint_of(model, concurrency_max=1)) as client:
        first = asyncio.create_task(client.complete(a_call(deadline_s=30)))
        await model.calls_come(1)
        with pytest.raises(InferenceOverloadedError) as caught:
            await client.complete(a_call(deadline_s=0.1))
        assert caught.value.cause == "no_place"
        model.release()
        await first
    assert len(model.calls) == 1


async def test_a_switched_configuration_keeps_what_stays_and_closes_what_is_gone_after_its_last_call(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    staying, leaving = endpoint_of(second, "second"), endpoint_of(model)
    current = InferenceConfiguration(chain=(leaving, staying))
    async with client_with(lambda: current) as client:
        model.then(Hang(GOOD))
        running = asyncio.create_task(client.complete(a_call(deadline_s=30)))
        await model.calls_come(1)
        current = InferenceConfiguration(chain=(staying,))
        assert [place["endpoint"] for place in client.state()["chain"]] == ["second"]
        assert (await client.complete(a_call(deadline_s=5))).endpoint == "second"
        assert model.open_connections == 1
        model.release()
        assert (await running).endpoint == "first"
        await model.reaches(lambda: model.open_connections == 0)
        assert second.open_connections == 1
        current = InferenceConfiguration(chain=(leaving, staying))
        assert (await client.complete(a_call(deadline_s=5))).endpoint == "first"


async def test_health_is_asked_for_where_the_provider_answers_it_and_kept(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    async with client_of(endpoint_of(model), endpoint_of(second, "second", provider="openai")) as client:
        assert client.state()["chain"][0]["health"] == "unknown"
        assert all(await asyncio.gather(*(client.is_healthy() for _ in range(5))))
        assert (model.health_calls, second.health_calls) == (1, 0)
        assert [place["health"] for place in client.state()["chain"]] == ["ok", "ok"]
    model.refuse()
    second.health_status = 503
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        assert not await client.is_healthy()
        assert "cannot be reached" in client.state()["chain"][0]["health"]
        assert "503" in client.state()["chain"][1]["health"]


async def test_warming_shows_each_schema_to_each_endpoint_and_never_fails(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    second.refuse()
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        await client.warm([NUMBER_SCHEMA, NUMBER_SCHEMA])
        assert [call.body["max_tokens"] for call in model.calls] == [1, 1]
        assert all("response_format" in call.body for call in model.calls)
        await client.warm([])
    assert len(model.calls) == 3


def test_a_service_without_model_calls_loads_no_sdk() -> None:
    names = ("openai", "anthropic", "httpx", "httpx2", "aiohttp")
    loaded = f"print(json.dumps([name for name in {names} if name in sys.modules]))"
    program = f"import json, sys, opswire.chassis.inference.client; {loaded}"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert json.loads(printed) == []
