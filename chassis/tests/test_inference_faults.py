"""What a caller sees when a model server fails: its typed error or the fallback's answer, within the deadline."""

from __future__ import annotations

import asyncio
import random
import re
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest
from inference_scene import (
    DEADLINE_S,
    ERRORS,
    FAULTS,
    GOOD,
    GRACE_S,
    NUMBER_SCHEMA,
    PROTOCOLS,
    STREAM_ERRORS,
    STREAM_FAULTS,
    a_call,
    client_of,
    client_with,
    endpoint_of,
    streamed,
    text_of,
)
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.errors import InferenceUnavailableError, ReplyCutError, ReplyInvalidError
from opswire.chassis.testing.scripted_faults import ModelFault
from opswire.chassis.testing.scripted_model import CallEnd, ScriptedModel
from opswire.chassis.testing.scripted_steps import (
    Cut,
    Drip,
    Fail,
    Garbage,
    Hang,
    Huge,
    Raw,
    Step,
    cut_by_limit,
    wrong_schema,
)
from opswire.chassis.testing.waiting import until_told

MEGABYTE = 1_000_000
FALLBACK_DEADLINE_S = 10


def in_time(begun_s: float, deadline_s: float = DEADLINE_S) -> bool:
    """Whether not much more than the deadline has passed."""
    return time.monotonic() - begun_s < deadline_s + GRACE_S


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_lone_server_that_fails_gives_its_typed_error_in_time(
    model: ScriptedModel, fault: ModelFault, protocol: str
) -> None:
    async with client_of(endpoint_of(model, provider=protocol)) as client:
        fault.begin(model)
        begun_s = time.monotonic()
        with pytest.raises(ERRORS[fault.name]):
            await client.decide(a_call(), NUMBER_SCHEMA)
        assert in_time(begun_s)
        fault.end(model)
        assert (await client.decide(a_call(8, deadline_s=5), NUMBER_SCHEMA)).value == 8


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", STREAM_FAULTS, ids=lambda fault: fault.name)
async def test_a_lone_server_that_fails_in_a_stream_gives_its_typed_error(
    model: ScriptedModel, fault: ModelFault, protocol: str
) -> None:
    async with client_of(endpoint_of(model, provider=protocol)) as client:
        fault.begin(model)
        begun_s = time.monotonic()
        with pytest.raises(STREAM_ERRORS[fault.name]):
            await streamed(client, a_call())
        assert in_time(begun_s)
        fault.end(model)
        assert text_of(await streamed(client, a_call(8, deadline_s=5))) == '{"number": 8}'


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_the_fallback_answers_when_the_first_server_fails(
    model: ScriptedModel, second: ScriptedModel, fault: ModelFault
) -> None:
    async with client_of(endpoint_of(model, timeout_s=0.3), endpoint_of(second, "second")) as client:
        fault.begin(model)
        begun_s = time.monotonic()
        reply = await client.decide(a_call(deadline_s=FALLBACK_DEADLINE_S), NUMBER_SCHEMA)
        assert (reply.value, reply.endpoint) == (7, "second")
        assert in_time(begun_s, FALLBACK_DEADLINE_S)
        assert reply.calls == len(model.calls) + 1 or fault.step is None
        fault.end(model)


@pytest.mark.parametrize("fault", STREAM_FAULTS, ids=lambda fault: fault.name)
async def test_the_fallback_takes_over_a_stream(model: ScriptedModel, second: ScriptedModel, fault: ModelFault) -> None:
    async with client_of(endpoint_of(model, timeout_s=0.3), endpoint_of(second, "second")) as client:
        fault.begin(model)
        chunks = await streamed(client, a_call(deadline_s=FALLBACK_DEADLINE_S))
        assert text_of(chunks) == '{"number": 7}'
        assert [chunk.reply.endpoint for chunk in chunks if chunk.reply] == ["second"]
        assert chunks[-1].reply is not None
        fault.end(model)


async def test_a_stream_that_breaks_after_its_first_words_says_that_it_begins_anew(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    async with client_of(endpoint_of(model), endpoint_of(second, "second")) as client:
        model.always(Cut(GOOD, after_chunks=3))
        chunks = await streamed(client, a_call(deadline_s=FALLBACK_DEADLINE_S))
    restarts = [number for number, chunk in enumerate(chunks) if chunk.is_restart]
    assert len(restarts) == 1
    assert "".join(chunk.text for chunk in chunks[: restarts[0]]), "nothing was shown before the break"
    assert text_of(chunks) == '{"number": 7}'


async def test_a_reply_cut_by_its_token_limit_is_no_answer(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        model.always(cut_by_limit('{"numb'))
        with pytest.raises(ReplyCutError):
            await client.decide(a_call(), NUMBER_SCHEMA)
        # Not even one that happens to be whole: a model that was stopped may have had more to say.
        model.always(cut_by_limit('{"number": 7}'))
        with pytest.raises(ReplyInvalidError):
            await client.decide(a_call(), NUMBER_SCHEMA)


async def test_a_repair_is_asked_for_a_bounded_number_of_times(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        model.then(wrong_schema())
        reply = await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
        assert (reply.value, reply.calls) == (7, 2)
        assert reply.usage.output_tokens >= 5 + 4, "the first try was paid for too"
        model.always(wrong_schema())
        asked = len(model.calls)
        with pytest.raises(ReplyInvalidError):
            await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
        assert len(model.calls) - asked <= 3


async def test_a_server_that_fails_again_and_again_is_left_alone_and_asked_again_when_it_is_well(
    model: ScriptedModel,
) -> None:
    async with client_of(endpoint_of(model, retries_max=0)) as client:
        model.always(Fail(500))
        for number in range(50):
            with pytest.raises(InferenceUnavailableError):
                await client.decide(a_call(number), NUMBER_SCHEMA)
        assert len(model.calls) < 25, "no breaker opened"
        model.always(GOOD)

        async def answers() -> bool:
            try:
                return (await client.decide(a_call(), NUMBER_SCHEMA)).value == 7
            except InferenceUnavailableError:
                return False

        await until_told(answers, 60)


async def test_cancelling_a_call_ends_it_on_the_server_too(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        model.then(Hang(), Drip(GOOD), Drip(GOOD))
        streams = (False, False, True)
        for number, is_stream in enumerate(streams):
            call = a_call(deadline_s=60)
            task = asyncio.create_task(streamed(client, call) if is_stream else client.decide(call, NUMBER_SCHEMA))
            await model.calls_come(number + 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await model.call_ends(number)).end == CallEnd.ABORTED
        assert (await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)).value == 7


async def test_a_reader_that_leaves_a_stream_ends_it_on_the_server(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        model.then(Drip(GOOD, interval_s=0.0005))
        stream = client.stream(a_call(deadline_s=60))
        first = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert first.text
        assert (await model.call_ends(0)).end == CallEnd.ABORTED


async def test_a_call_that_ran_out_of_time_ends_on_the_server_too(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        model.then(Hang())
        with pytest.raises(InferenceUnavailableError):
            await client.decide(a_call(deadline_s=0.3), NUMBER_SCHEMA)
        assert (await model.call_ends(0)).end == CallEnd.ABORTED


async def test_nothing_is_sent_after_the_deadline(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        with pytest.raises(InferenceUnavailableError):
            await client.decide(a_call(deadline_s=-1), NUMBER_SCHEMA)
        assert model.calls == []


@pytest.mark.parametrize("step", [Huge(), Huge(is_announced=False)], ids=["announced", "not announced"])
async def test_a_reply_of_10_mb_is_never_held(model: ScriptedModel, step: Huge) -> None:
    async with client_of(endpoint_of(model)) as client:
        await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
        model.always(step)
        tracemalloc.start()
        for stream in (False, True):
            with pytest.raises(ReplyInvalidError):
                await (
                    streamed(client, a_call(deadline_s=10))
                    if stream
                    else client.decide(a_call(deadline_s=10), NUMBER_SCHEMA)
                )
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 6 * MEGABYTE
        assert len(model.calls) <= 4, "a reply of this size is not worth many repetitions"


def open_files() -> int:
    """Files and sockets of this process."""
    return len(list(Path("/dev/fd").iterdir()))


async def test_no_connection_is_left_behind(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        await client.decide(a_call(deadline_s=5), NUMBER_SCHEMA)
    await model.reaches(lambda: model.open_connections == 0)
    before = open_files()
    for fault in (fault for fault in FAULTS if fault.step is not None):
        async with client_of(endpoint_of(model, timeout_s=0.1)) as client:
            fault.begin(model)
            results = await asyncio.gather(
                *(client.decide(a_call(number), NUMBER_SCHEMA) for number in range(5)), return_exceptions=True
            )
            assert all(isinstance(result, OpswireError) for result in results), results
        await model.reaches(lambda: model.open_connections == 0)
    assert open_files() <= before


async def test_a_connection_that_the_server_closed_while_idle_costs_no_call(model: ScriptedModel) -> None:
    async with client_of(endpoint_of(model)) as client:
        for number in range(20):
            assert (await client.decide(a_call(number, deadline_s=5), NUMBER_SCHEMA)).value == number
            model.break_connections()


async def test_switching_the_configuration_under_load_loses_no_call(
    model: ScriptedModel, second: ScriptedModel
) -> None:
    current = InferenceConfiguration(chain=(endpoint_of(model),))
    to_second = InferenceConfiguration(chain=(endpoint_of(second, "second"),))
    numbers = iter(range(600))
    answered: list[int] = []

    async def worker(client: InferenceClient) -> None:
        for number in numbers:
            reply = await client.decide(a_call(number, deadline_s=20), NUMBER_SCHEMA)
            assert reply.value == number
            answered.append(number)

    async with client_with(lambda: current) as client:
        model.then(*[GOOD] * 100, *[Hang(GOOD)] * 5)
        workers = [asyncio.create_task(worker(client)) for _ in range(20)]
        await model.calls_come(105)
        current = to_second
        await second.calls_come(100)
        model.release()  # those that were under way when the switch came are answered all the same
        await asyncio.gather(*workers)
        assert client.state()["chain"][0]["endpoint"] == "second"
    assert sorted(answered) == list(range(600))
    assert len(model.calls) + len(second.calls) == 600


STEPS: tuple[Step, ...] = (
    Fail(429, retry_after_s=0.01),
    Fail(429),
    Fail(500),
    Fail(503),
    Cut(GOOD),
    Raw(),
    Raw(b"HTTP/1.1 200 OK\r\ncontent-length: nonsense\r\n\r\n"),
    Garbage(),
    wrong_schema(),
    cut_by_limit(),
    Hang(),
    Drip(GOOD),
    Huge(2 * MEGABYTE),
)

FAULTY_SHARE = 0.1
"""Few enough that a breaker seldom opens: then nothing more would be asked for a while."""


THOUSAND_DEADLINE_S = 15.0
NUMBER_IN_TEXT = re.compile(r'{"number": (\d+)}')


@pytest.mark.parametrize("endpoints", [1, 2])
async def test_a_thousand_calls_with_random_faults_each_end_in_one_result(endpoints: int) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    dice = random.Random(seed)
    results: dict[int, list[object]] = {number: [] for number in range(1_000)}
    numbers = iter(results)

    async def one(client: InferenceClient, number: int) -> object:
        """The number that the answer holds; or the error."""
        try:
            if number % 3:
                return (await client.decide(a_call(number, deadline_s=THOUSAND_DEADLINE_S), NUMBER_SCHEMA)).value
            chunks = await streamed(client, a_call(number, deadline_s=THOUSAND_DEADLINE_S))
            assert [chunk.reply is not None for chunk in chunks].count(True) == 1
            found = NUMBER_IN_TEXT.fullmatch(text_of(chunks))
            return int(found[1]) if found else "no number"
        except OpswireError as error:
            return error

    async def worker(client: InferenceClient) -> None:
        for number in numbers:
            begun_s = time.monotonic()
            results[number].append(await one(client, number))
            assert in_time(begun_s, THOUSAND_DEADLINE_S + GRACE_S)

    with ExitStack() as stack:
        models = [stack.enter_context(ScriptedModel(GOOD)) for _ in range(endpoints)]
        for model in models:
            model.then(*(dice.choice(STEPS) if dice.random() < FAULTY_SHARE else GOOD for _ in range(3_000)))
        chain = [endpoint_of(model, f"number-{place}", timeout_s=3) for place, model in enumerate(models)]
        async with client_of(*chain) as client:
            await asyncio.gather(*(worker(client) for _ in range(50)))
        for model in models:
            await model.reaches(lambda model=model: model.open_connections == 0)  # type: ignore[misc]
    assert all(len(result) == 1 for result in results.values()), f"seed {seed}"
    wrong = {number: result for number, result in results.items() if isinstance(result[0], int) and result != [number]}
    assert not wrong, f"seed {seed}: answers of other calls: {wrong}"
    answered = sum(isinstance(result[0], int) for result in results.values())
    assert answered > 500, f"seed {seed}"
