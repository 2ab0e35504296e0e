"""Requests without an outcome, found on a real broker and ended once."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from change_scene import Scene
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import BrokerAwayError, Publisher
from opswire.chassis.sending import Sender
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import FACTS, REQUEST_FINISHED
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.adapters.overdue_ender import OverdueEnder
from opswire.executor.usecases.expire import expired

HOUR_NS = 3_600_000_000_000


class Executor:
    """What one executor holds of the open requests."""

    def __init__(self, client: WireClient, sender: Sender, directory: Path) -> None:
        self.client, self.sender = client, sender
        self.open_requests = OpenRequests(client, sender.facts)
        service: Any = SimpleNamespace(bus=SimpleNamespace(client=client, request_json=None), sender=sender)
        self.ender = OverdueEnder(self.open_requests, sender, Scene(service, directory).proceed)

    async def overdue(self, later_ns: int = 0) -> list[str]:
        return sorted(one.request_id for one in await self.open_requests.overdue(time.time_ns() + later_ns))

    async def finish(self, request_id: str) -> None:
        subject = REQUEST_FINISHED.subject(source="test", request_id=request_id)
        await self.sender.send(REQUEST_FINISHED, subject, expired(request_id, 1, 2))


Start = Callable[[], Awaitable[Executor]]


@pytest.fixture
async def start(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Start]:
    clients: list[WireClient] = []

    async def started() -> Executor:
        client = WireClient()
        await client.connect(nats_server.url, max_reconnect_attempts=1, reconnect_time_wait=0)
        clients.append(client)
        publisher = Publisher(client)
        await publisher.start()
        sender = Sender("executor", client, publisher, Facts(client, publisher, FACTS))
        return Executor(client, sender, tmp_path / f"executor-{len(clients)}")

    yield started
    for client in clients:
        await client.close()


async def test_open_until_finished_and_overdue_only_after_the_deadline(start: Start, upstream: Upstream) -> None:
    executor = await start()
    assert await executor.overdue(HOUR_NS) == []
    await upstream.submit("one", request_id="short", deadline_ms=100)
    await upstream.submit("two", request_id="long", deadline_ms=600_000)
    await upstream.submit("three", request_id="done", deadline_ms=100)
    await executor.finish("done")
    assert await executor.overdue(-60_000_000_000) == []
    assert await executor.overdue(5_000_000_000) == ["short"]
    assert await executor.overdue(HOUR_NS) == ["long", "short"]


async def test_what_is_new_is_read_and_nothing_twice(start: Start, upstream: Upstream) -> None:
    executor = await start()
    await upstream.submit("one", request_id="r1", deadline_ms=100)
    assert await executor.overdue(HOUR_NS) == ["r1"]
    sequence = executor.open_requests._next_sequence
    assert await executor.overdue(HOUR_NS) == ["r1"]
    assert executor.open_requests._next_sequence == sequence
    await executor.finish("r1")
    await upstream.submit("two", request_id="r2", deadline_ms=100)
    assert await executor.overdue(HOUR_NS) == ["r2"]


async def test_an_unreadable_request_is_overdue_after_the_default_deadline(start: Start, upstream: Upstream) -> None:
    executor = await start()
    for request_id, body in (("bad-json", b"{"), ("bad-field", b'{"deadline_ms":"x"}'), ("nothing", b"")):
        await upstream.publish(request_id, body)
    assert await executor.overdue(20_000_000_000) == []
    assert await executor.overdue(31_000_000_000) == ["bad-field", "bad-json", "nothing"]


async def test_an_overdue_request_is_ended_once_whoever_ends_it(start: Start, upstream: Upstream) -> None:
    first, second = await start(), await start()
    await upstream.submit("one", request_id="r1", deadline_ms=100)
    await upstream.submit("two", request_id="r2", deadline_ms=600_000)
    while not await first.overdue() or not await second.overdue():
        await upstream.client.flush()
    await first.ender.end_overdue()
    await second.ender.end_overdue()  # it does not know yet that the first did
    outcome = await upstream.outcome("r1")
    assert (outcome["status"], outcome["reason"]) == ("expired", "deadline_passed")
    assert len(await upstream.stored("opswire.v1.test.*.finished")) == 1
    assert await first.overdue() == await second.overdue() == []


async def test_a_restarted_executor_finds_what_the_first_left(start: Start, upstream: Upstream) -> None:
    await upstream.submit("one", request_id="r1", deadline_ms=100)
    await upstream.submit("two", request_id="r2", deadline_ms=100)
    first = await start()
    await first.finish("r1")
    assert await first.overdue(HOUR_NS) == ["r2"]
    await first.client.close()
    assert await (await start()).overdue(HOUR_NS) == ["r2"]


async def test_another_outcome_that_came_first_stands(start: Start, upstream: Upstream) -> None:
    executor = await start()
    await upstream.submit("one", request_id="r1", deadline_ms=100)
    while not await executor.overdue():
        await upstream.client.flush()
    subject = "opswire.v1.test.r1.finished"
    await upstream.client.jetstream().publish(subject, json.dumps({"status": "completed"}).encode())
    await executor.ender.end_overdue()
    assert [json.loads(body) for body in await upstream.stored(subject)] == [{"status": "completed"}]


async def test_while_the_broker_is_away_nothing_is_guessed(start: Start, nats_server: NatsServer) -> None:
    executor = await start()
    await executor.client.close()
    with pytest.raises(BrokerAwayError):
        await executor.overdue()
