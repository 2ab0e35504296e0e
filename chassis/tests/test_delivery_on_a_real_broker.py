"""What the delivery loop promises, on a real broker: one fact, retries, parking, draining, redelivery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from opswire.chassis.delivery import Delivery, retry_delay_s
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.errors import OpswireError, RejectedError, RetryableError
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until
from opswire.contracts.findings import IntentFinding
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import INTENT_RESOLVED, REQUEST_FINISHED, REQUEST_SUBMITTED
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, Risk

Handle = Callable[[RequestSubmitted, Delivery], Awaitable[None]]


async def end_request(delivery: Delivery, error: OpswireError) -> None:
    outcome = ended(delivery.variables["request_id"], error.failure, delivery.stored_ns, delivery.stored_ns)
    await delivery.publish(REQUEST_FINISHED, outcome)


def resolved(request: RequestSubmitted, delivery: Delivery) -> IntentResolved:
    finding = IntentFinding(
        name=IntentName.SYSTEM_HELP, confidence=1.0, risk=Risk.LOW, source=IntentSource.RULE, entities=[]
    )
    return IntentResolved(
        request_id=request.request_id,
        requester=request.requester,
        text=request.text or "event",
        intent=finding,
        accepted_ns=delivery.stored_ns,
        deadline_ns=delivery.stored_ns + request.deadline_ms * 1_000_000,
    )


@pytest.fixture(params=["fast", "stock"])
def settings(request: pytest.FixtureRequest, nats_server: NatsServer, tmp_path: Path) -> ServiceSettings:
    """Both delivery loops keep the same promises: ours, and FastStream's own."""
    return ServiceSettings(
        nats_url=nats_server.url, delivery=request.param, state_dir=tmp_path, trace_store=tmp_path / "traces.sqlite3"
    )


@asynccontextmanager
async def running(settings: ServiceSettings, handle: Handle) -> AsyncIterator[Service]:
    service = Service("intent", "0", settings)
    service.on(REQUEST_SUBMITTED, handle)
    service.end_request = end_request
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def test_a_request_becomes_a_fact_that_stays_the_first_one(settings: ServiceSettings, upstream: Upstream) -> None:
    stood: asyncio.Queue[bool] = asyncio.Queue()

    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        first = resolved(request, delivery)
        await stood.put(await delivery.publish(INTENT_RESOLVED, first))
        await stood.put(await delivery.publish(INTENT_RESOLVED, first))
        await stood.put(await delivery.publish(INTENT_RESOLVED, first.model_copy(update={"text": "other"})))

    async with running(settings, handle):
        request_id = await upstream.submit("hello")
        assert [await asyncio.wait_for(stood.get(), 10) for _ in range(3)] == [True, True, False]
        facts = await upstream.stored(f"opswire.v1.test.{request_id}.intent")
    assert [json.loads(fact)["text"] for fact in facts] == ["hello"]


async def test_a_retryable_fault_is_tried_again_until_it_passes(settings: ServiceSettings, upstream: Upstream) -> None:
    attempts: list[int] = []

    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt < 3:
            raise RetryableError("away for now")
        await delivery.publish(INTENT_RESOLVED, resolved(request, delivery))

    async with running(settings, handle):
        request_id = await upstream.submit("hello")
        await upstream.read(f"opswire.v1.test.{request_id}.intent", 1, 20)
    assert attempts == [1, 2, 3]


async def test_a_rejected_request_gets_its_outcome_and_is_not_tried_again(
    settings: ServiceSettings, upstream: Upstream
) -> None:
    attempts: list[int] = []

    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        raise RejectedError("not here")

    async with running(settings, handle):
        outcome = await upstream.ask("hello")
        assert (outcome["status"], outcome["reason"]) == ("rejected", "rejected")
        assert outcome["answer"]["summary"] == "not here"
        assert attempts == [1]


async def test_a_poison_message_is_parked_with_its_bytes_and_the_next_one_is_handled(
    settings: ServiceSettings, upstream: Upstream
) -> None:
    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        await delivery.publish(INTENT_RESOLVED, resolved(request, delivery))

    async with running(settings, handle):
        await upstream.publish("bad-1", b'{"request_id":"bad-1","text":', {"x-team": "payments"})
        outcome = await upstream.outcome("bad-1")
        assert (outcome["status"], outcome["reason"]) == ("rejected", "body_not_json")
        (parked,) = await upstream.stored("opswire.parked.v1.intent.*", "OPSWIRE_PARKED")
        record = json.loads(parked)
        assert record["code"] == "body_not_json"
        assert record["headers"]["x-team"] == "payments"
        assert record["body_base64"] == "eyJyZXF1ZXN0X2lkIjoiYmFkLTEiLCJ0ZXh0Ijo="
        good = await upstream.submit("hello")
        await upstream.read(f"opswire.v1.test.{good}.intent", 1, 20)


async def test_a_fault_of_ours_is_tried_then_parked_and_the_request_fails(
    settings: ServiceSettings, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.chassis.delivery.retry_delay_s", lambda attempt: 0.01)  # the growth is tested below

    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        raise ZeroDivisionError

    async with running(settings, handle):
        outcome = await upstream.ask("hello", timeout_s=60)
        assert (outcome["status"], outcome["reason"]) == ("failed", "attempts_exhausted")
        (parked,) = await upstream.stored("opswire.parked.v1.intent.*", "OPSWIRE_PARKED")
        assert json.loads(parked)["delivery_attempts"] == 5


async def test_stopping_lets_what_is_in_flight_end(settings: ServiceSettings, upstream: Upstream) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        begun.set()
        await may_end.wait()
        await delivery.publish(INTENT_RESOLVED, resolved(request, delivery))

    service = Service("intent", "0", settings)
    service.on(REQUEST_SUBMITTED, handle)
    await service.start()
    request_id = await upstream.submit("hello")
    await asyncio.wait_for(begun.wait(), 10)
    stopping = asyncio.create_task(service.stop())
    await until(lambda: all(loop._stopping for loop in service.bus._loops))
    assert not stopping.done()
    may_end.set()
    await asyncio.wait_for(stopping, 20)
    assert len(await upstream.stored(f"opswire.v1.test.{request_id}.intent")) == 1


async def test_a_restarted_broker_is_followed_without_a_restart_of_ours(
    settings: ServiceSettings, nats_server: NatsServer, upstream: Upstream
) -> None:
    async def handle(request: RequestSubmitted, delivery: Delivery) -> None:
        await delivery.publish(INTENT_RESOLVED, resolved(request, delivery))

    async with running(settings, handle):
        first = await upstream.submit("before")
        await upstream.read(f"opswire.v1.test.{first}.intent", 1, 20)
        nats_server.kill()
        nats_server.start()
        second = await submit_when_back(upstream, "after")
        await upstream.read(f"opswire.v1.test.{second}.intent", 1, 40)
        assert len(await upstream.stored("opswire.v1.test.*.intent")) == 2


def test_the_delay_before_a_retry_grows_to_a_bound_with_jitter() -> None:
    for attempt, middle_s in ((1, 0.2), (2, 0.4), (5, 3.2), (7, 10.0), (25, 10.0), (1_000, 10.0)):
        delays = [retry_delay_s(attempt) for _ in range(50)]
        assert all(0.5 * middle_s <= delay <= 1.5 * middle_s for delay in delays)
        assert len(set(delays)) > 1


async def submit_when_back(upstream: Upstream, text: str) -> str:
    async with asyncio.timeout(20):
        while True:
            try:
                await asyncio.wait_for(upstream.submit(text, request_id=f"after-{text}"), 0.5)
                return f"after-{text}"
            except (nats.errors.Error, TimeoutError) as error:
                if "maximum messages per subject" in str(error):
                    return f"after-{text}"
