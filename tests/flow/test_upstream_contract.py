"""What an upstream sees, sentence by sentence, with a plain NATS client and nothing of ours."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.js.errors import APIError
from opswire.chassis.testing.system import SERVICES, System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until_told

DATA = Path(__file__).parents[1] / "data"
SUBJECT_TAKEN = 10077
STATUSES = {"completed", "failed", "rejected", "expired", "cancelled", "needs_human", "needs_clarification"}
SLEPT_OVER_MS = 3_000


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One running system with a small inventory for the module; the executor sweeps often."""
    settings = {"OPSWIRE_SWEEP_INTERVAL_S": "0.5"}
    with System(tmp_path_factory.mktemp("system"), settings) as running:
        running.import_inventory((DATA / "inventory.yaml").read_text())
        yield running


@pytest_asyncio.fixture
async def plain(system: System) -> AsyncIterator[Upstream]:
    """A plain client. Whatever a test before has stopped runs again."""
    for name in SERVICES:
        system.resume(name)
        system.launch(name)
    await asyncio.to_thread(system.wait_ready, *SERVICES)
    async with Upstream(system.nats.url, "contract") as upstream:
        yield upstream


async def finishes(plain: Upstream, request_id: str) -> list[bytes]:
    """Every outcome that is stored for a request."""
    return await plain.stored(f"opswire.v1.{plain.source}.{request_id}.finished")


def assert_shape(outcome: dict[str, Any], request_id: str) -> None:
    """The documented shape of an outcome."""
    assert outcome["request_id"] == request_id
    assert outcome["status"] in STATUSES
    assert outcome.get("reason") is None or isinstance(outcome["reason"], str)
    assert isinstance(outcome["answer"]["summary"], str)
    columns, rows = outcome["answer"].get("columns"), outcome["answer"].get("rows")
    assert (columns is None) == (rows is None)
    assert all(len(row) == len(columns or []) for row in rows or [])
    if (intent := outcome.get("intent")) is not None:
        assert isinstance(intent["name"], str)
        assert 0 <= intent["confidence"] <= 1
        assert all(set(entity) >= {"type", "value"} for entity in intent["entities"])
        assert intent["risk"] in {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
        assert intent["source"] in {"cache", "local", "model", "rule"}
    assert isinstance(outcome["assets"], list)
    parts = {name: value for name, value in outcome["timings"].items() if name != "total"}
    assert outcome["timings"]["total"] == pytest.approx(sum(parts.values()), abs=0.01)


async def test_one_publish_is_acknowledged_and_one_outcome_of_the_documented_shape_appears(plain: Upstream) -> None:
    request_id = await plain.submit("what is the ip of web-01", deadline_ms=30_000)
    outcome = await plain.outcome(request_id)
    assert_shape(outcome, request_id)
    assert outcome["status"] == "completed"
    assert outcome["intent"]["name"] == "asset.get"
    assert "192.0.2.1" in outcome["answer"]["summary"]
    assert [asset["name"] for asset in outcome["assets"]] == ["web-01"]
    assert len(await finishes(plain, request_id)) == 1


async def test_a_plain_subscription_beforehand_hears_the_outcome(plain: Upstream) -> None:
    request_id = str(uuid.uuid4())
    subscription = await plain.client.subscribe(f"opswire.v1.{plain.source}.{request_id}.finished")
    await plain.submit("help", request_id=request_id)
    message = await subscription.next_msg(timeout=20)
    assert_shape(json.loads(message.data), request_id)
    assert (await plain.ask("help"))["status"] == "completed"  # by then a second one would have been sent here
    assert subscription.pending_msgs == 0


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("list production hosts", "completed", None),
        ("how many hosts are in staging", "completed", None),
        ("help", "completed", None),
        ("write me a poem about rivers", "rejected", "out_of_scope"),
        ("restart web-01", "needs_clarification", "incomplete_request"),
        ("what is the ip of nowhere-99", "needs_clarification", None),
    ],
)
async def test_every_kind_of_request_ends_in_one_outcome(
    plain: Upstream, text: str, status: str, reason: str | None
) -> None:
    request_id = await plain.submit(text)
    outcome = await plain.outcome(request_id)
    assert_shape(outcome, request_id)
    assert outcome["status"] == status
    assert reason is None or outcome["reason"] == reason


async def test_the_same_id_with_the_same_bytes_changes_nothing(plain: Upstream) -> None:
    request_id = str(uuid.uuid4())
    body = json.dumps({"request_id": request_id, "text": "help", "requester": {"id": "x", "kind": "human"}}).encode()
    headers = {"Nats-Msg-Id": request_id}
    await plain.publish(request_id, body, headers)
    first = await plain.outcome(request_id)
    for _ in range(100):  # with its id it is a duplicate, acknowledged again
        await plain.publish(request_id, body, headers)
    for _ in range(100):  # without one it is refused as present
        with pytest.raises(APIError) as refusal:
            await plain.publish(request_id, body)
        assert refusal.value.err_code == SUBJECT_TAKEN
    assert (await plain.ask("help"))["status"] == "completed"
    assert [json.loads(stored) for stored in await finishes(plain, request_id)] == [first]
    assert await plain.stored(f"opswire.v1.{plain.source}.{request_id}.submitted") == [body]


async def test_the_same_id_with_other_bytes_is_refused(plain: Upstream) -> None:
    request_id = await plain.submit("help")
    first = await plain.outcome(request_id)
    with pytest.raises(APIError) as refusal:
        await plain.submit("list production hosts", request_id=request_id)
    assert refusal.value.err_code == SUBJECT_TAKEN
    assert [json.loads(stored) for stored in await finishes(plain, request_id)] == [first]


async def test_the_same_id_under_another_source_is_another_request(plain: Upstream, system: System) -> None:
    request_id = await plain.submit("help")
    async with Upstream(system.nats.url, "contract-2") as other:
        await other.submit("list production hosts", request_id=request_id)
        assert (await other.outcome(request_id))["intent"]["name"] == "asset.list"
    assert (await plain.outcome(request_id))["intent"]["name"] == "system.help"


async def test_in_reply_to_names_an_earlier_request(plain: Upstream) -> None:
    first = await plain.submit("what is the ip of nowhere-99")
    assert (await plain.outcome(first))["status"] == "needs_clarification"
    second = await plain.submit("what is the ip of web-02", in_reply_to=first)
    outcome = await plain.outcome(second)
    assert_shape(outcome, second)
    assert "192.0.2.2" in outcome["answer"]["summary"]


def alert_payload() -> dict[str, Any]:
    """A real Alertmanager payload; its origin is beside it."""
    payload: dict[str, Any] = json.loads((DATA / "alerts" / "alertmanager-v4-msteams-two-alerts.json").read_text())
    return payload


async def test_a_real_alertmanager_event_ends_in_one_outcome(plain: Upstream) -> None:
    event = {"format": "alertmanager.v4", "payload": alert_payload()}
    request_id = str(uuid.uuid4())
    body = {"request_id": request_id, "event": event, "requester": {"id": "alertmanager", "kind": "service"}}
    await plain.publish(request_id, json.dumps(body).encode())
    outcome = await plain.outcome(request_id)
    assert_shape(outcome, request_id)
    assert outcome["status"] in {"completed", "needs_human", "needs_clarification"}
    assert outcome["intent"]["name"] == "diagnose.issue"
    assert len(await finishes(plain, request_id)) == 1


async def test_a_resolved_alert_is_completed(plain: Upstream) -> None:
    payload = alert_payload() | {"status": "resolved"}
    payload["alerts"] = [alert | {"status": "resolved"} for alert in payload["alerts"]]
    request_id = str(uuid.uuid4())
    event = {"format": "alertmanager.v4", "payload": payload}
    body = {"request_id": request_id, "event": event, "requester": {"id": "alertmanager", "kind": "service"}}
    await plain.publish(request_id, json.dumps(body).encode())
    outcome = await plain.outcome(request_id)
    assert_shape(outcome, request_id)
    assert outcome["status"] == "completed"


async def test_an_event_of_any_json_ends_in_one_outcome(plain: Upstream) -> None:
    request_id = str(uuid.uuid4())
    event = {"format": "json", "payload": {"title": "disk full on web-01", "host": "web-01", "value": 0.97}}
    body = {"request_id": request_id, "event": event, "requester": {"id": "cron", "kind": "service"}}
    await plain.publish(request_id, json.dumps(body).encode())
    assert_shape(await plain.outcome(request_id), request_id)
    assert len(await finishes(plain, request_id)) == 1


async def publish_structured(plain: Upstream, request_id: str, data: dict[str, Any]) -> None:
    """Publish a request as a whole CloudEvent."""
    event = {"specversion": "1.0", "id": "1", "source": "/chat", "type": "com.example.asked", "data": data}
    await plain.publish(request_id, json.dumps(event).encode(), {"content-type": "application/cloudevents+json"})


async def test_a_structured_cloudevent_is_accepted(plain: Upstream) -> None:
    request_id = str(uuid.uuid4())
    body = {"request_id": request_id, "text": "help", "requester": {"id": "x", "kind": "human"}}
    await publish_structured(plain, request_id, body)
    outcome = await plain.outcome(request_id)
    assert_shape(outcome, request_id)
    assert outcome["status"] == "completed"


async def test_a_malformed_event_gets_a_parked_record_and_is_rejected(plain: Upstream) -> None:
    request_id = str(uuid.uuid4())
    await plain.publish(request_id, b'{"request_id": ')
    outcome = await plain.outcome(request_id)
    assert_shape(outcome, request_id)
    assert (outcome["status"], outcome["reason"]) == ("rejected", "body_not_json")
    records = [json.loads(record) for record in await plain.stored("opswire.parked.v1.>", "OPSWIRE_PARKED")]
    assert [record["code"] for record in records if request_id in record["subject"]] == ["body_not_json"]


async def test_a_request_whose_executor_sleeps_past_the_deadline_ends_expired(plain: Upstream, system: System) -> None:
    """The time is what is tested; it is long enough for the two services before the one that sleeps."""
    system.pause("executor")
    submitted_s = time.time()
    request_id = await plain.submit("list production hosts", deadline_ms=SLEPT_OVER_MS)
    await plain.read(f"opswire.v1.{plain.source}.{request_id}.context", 1, 30)

    async def is_deadline_over() -> bool:
        assert await finishes(plain, request_id) == []
        return time.time() >= submitted_s + (SLEPT_OVER_MS + 200) / 1000

    await until_told(is_deadline_over)
    system.resume("executor")
    outcome = await plain.outcome(request_id, 15)
    assert_shape(outcome, request_id)
    assert (outcome["status"], outcome["reason"]) == ("expired", "deadline_passed")


async def submit_in_words(plain: Upstream, deadline_ms: int) -> str:
    """As most upstreams do it."""
    return await plain.submit("help", deadline_ms=deadline_ms)


async def submit_structured(plain: Upstream, deadline_ms: int) -> str:
    """As a CloudEvent in structured mode, whose deadline is one level deeper."""
    request_id = str(uuid.uuid4())
    body = {"request_id": request_id, "text": "help", "deadline_ms": deadline_ms}
    await publish_structured(plain, request_id, body | {"requester": {"id": "x", "kind": "human"}})
    return request_id


async def submit_after_an_impossible_id(plain: Upstream, deadline_ms: int) -> str:
    """After another whose id is too long to be one, so that no outcome can be addressed to it."""
    body = {"request_id": "fine", "text": "help", "requester": {"id": "x", "kind": "human"}, "deadline_ms": 100}
    await plain.publish("x" * 65, json.dumps(body).encode())
    return await plain.submit("help", deadline_ms=deadline_ms)


@pytest.mark.parametrize("submit", [submit_in_words, submit_structured, submit_after_an_impossible_id])
async def test_a_request_that_nobody_reads_is_ended_after_its_own_deadline(
    plain: Upstream, system: System, submit: Callable[[Upstream, int], Awaitable[str]]
) -> None:
    """The time is what is tested: not before its deadline, and before that of one that names none, 30 s."""
    system.kill("intent")
    begun = time.monotonic()
    request_id = await submit(plain, 500)
    outcome = await plain.outcome(request_id, 20)
    assert_shape(outcome, request_id)
    assert (outcome["status"], outcome["reason"]) == ("expired", "deadline_passed")
    assert time.monotonic() - begun > 0.4
    system.launch("intent")
    await asyncio.to_thread(system.wait_ready, "intent")
    assert (await plain.ask("help"))["status"] == "completed"
    assert [json.loads(stored) for stored in await finishes(plain, request_id)] == [outcome]


async def test_sigterm_drains_and_what_was_accepted_is_answered(plain: Upstream, system: System) -> None:
    for name in SERVICES:
        submitted = [await plain.submit("what is the ip of web-03") for _ in range(30)]
        assert system.stop(name) == 0, f"{name} did not drain: {system.log_path(name).read_text()[-2_000:]}"
        system.launch(name)
        outcomes = await asyncio.gather(*(plain.outcome(request_id) for request_id in submitted))
        assert {outcome["status"] for outcome in outcomes} == {"completed"}
    errors = [line for _, line in system.log_lines() if '"level": "error"' in line or '"level":"error"' in line]
    assert errors == []
