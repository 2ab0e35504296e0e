"""A model server fails under a running system: every request still ends once, in time, and nobody has to restart."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from checker import error_lines
from model_system import GOOD, GRACE_S, ask, foreign_words, outcomes_of, settings_for
from opswire.chassis.testing.scripted_faults import ModelFault, model_faults
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Drip, Hang, Raw, cut_by_limit
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream

FAULTS = model_faults(GOOD)
DEADLINE_S = 4.0


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(GOOD) as running:
        yield running


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[System]:
    """With one model server; the same processes for all faults, which must not end."""
    with System(tmp_path_factory.mktemp("system"), settings_for(model)) as running:
        pids = running.pids()
        yield running
        assert running.pids() == pids
        assert all(running.is_running(name) for name in running.names)
        assert error_lines(running.log_lines(), ()) == []


@pytest_asyncio.fixture
async def asker(system: System) -> AsyncIterator[Upstream]:
    async with Upstream(system.nats.url) as upstream:
        yield upstream


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_request_ends_once_and_in_time_when_the_model_server_fails(
    model: ScriptedModel, asker: Upstream, fault: ModelFault
) -> None:
    assert (await ask(asker)).what == "completed"
    asked = len(model.calls)
    fault.begin(model)
    try:
        ended = await ask(asker, DEADLINE_S)
    finally:
        fault.end(model)
    assert ended.what == ("failed inference_unavailable" if fault.is_away else "needs_clarification unclear_request")
    assert ended.after_s < DEADLINE_S + GRACE_S
    assert fault.is_away or ended.outcome["candidates"], "a question without anything to choose from"
    assert len(model.calls) > asked or fault.step is None
    assert (await ask(asker)).what == "completed"
    assert set((await outcomes_of(asker)).values()) == {1}


async def test_what_needs_no_model_is_answered_while_it_hangs(model: ScriptedModel, asker: Upstream) -> None:
    model.always(Hang(GOOD))
    waiting = [await asker.submit(foreign_words(), deadline_ms=20_000) for _ in range(20)]
    await model.reaches(lambda: any(isinstance(call.step, Hang) for call in model.calls))
    outcome = await asker.ask("help", deadline_ms=5_000)
    assert outcome["status"] == "completed"
    assert await asker.stored(f"opswire.v1.test.{waiting[-1]}.finished") == [], "the model did not hang"
    model.always(GOOD)
    model.release()
    outcomes = [await asker.outcome(request_id, 20 + GRACE_S) for request_id in waiting]
    assert [outcome["status"] for outcome in outcomes] == ["completed"] * 20


async def test_many_requests_with_random_faults_end_once_each(
    system: System, model: ScriptedModel, asker: Upstream
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    dice = random.Random(seed)
    steps = [fault.step for fault in FAULTS if fault.step is not None] + [Raw(), cut_by_limit(), Answer("{}")]
    model.then(*(dice.choice(steps) if dice.random() < 0.3 else GOOD for _ in range(600)))
    ids = [await asker.submit(foreign_words(), deadline_ms=20_000) for _ in range(200)]
    outcomes = await asyncio.gather(*(asker.outcome(request_id, 20 + GRACE_S) for request_id in ids))
    model.always(GOOD)
    found = {(outcome["status"], outcome.get("reason")) for outcome in outcomes}
    allowed = {("completed", None), ("needs_clarification", "unclear_request"), ("failed", "inference_unavailable")}
    assert found <= allowed, f"seed {seed}"
    assert sum(outcome["status"] == "completed" for outcome in outcomes) > 100, f"seed {seed}"
    assert set((await outcomes_of(asker)).values()) == {1}, f"seed {seed}"
    parked = await asker.client.jetstream().stream_info("OPSWIRE_PARKED")
    assert parked.state.messages == 0
    assert system.is_ready("intent")


@pytest.fixture(scope="module")
def fallback() -> Iterator[ScriptedModel]:
    with ScriptedModel(GOOD) as running:
        yield running


@pytest.fixture(scope="module")
def first() -> Iterator[ScriptedModel]:
    with ScriptedModel(GOOD) as running:
        yield running


@pytest.fixture(scope="module")
def system_with_fallback(
    tmp_path_factory: pytest.TempPathFactory, first: ScriptedModel, fallback: ScriptedModel
) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("with-fallback"), settings_for(first, fallback)) as running:
        yield running
        assert error_lines(running.log_lines(), ()) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_the_fallback_answers_the_request(
    system_with_fallback: System, first: ScriptedModel, fallback: ScriptedModel, fault: ModelFault
) -> None:
    async with Upstream(system_with_fallback.nats.url) as upstream:
        asked = len(fallback.calls)
        fault.begin(first)
        ended = await ask(upstream, 10)
        assert ended.what == "completed"
        assert len(fallback.calls) > asked
        fault.end(first)
        assert set((await outcomes_of(upstream)).values()) == {1}


async def test_the_intent_service_dies_in_a_model_call_and_the_request_still_ends_once(
    system_with_fallback: System, first: ScriptedModel
) -> None:
    async with Upstream(system_with_fallback.nats.url) as upstream:
        first.always(Drip(GOOD))
        asked = len(first.calls)
        request_id = await upstream.submit(foreign_words())
        await first.calls_come(asked + 1)
        system_with_fallback.kill("intent")
        first.always(GOOD)
        await asyncio.to_thread(system_with_fallback.launch, "intent")
        assert (await upstream.outcome(request_id))["status"] == "completed"
        assert set((await outcomes_of(upstream)).values()) == {1}
