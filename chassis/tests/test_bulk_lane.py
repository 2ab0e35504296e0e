"""What is marked bulk goes behind what somebody waits for, whatever was submitted first; by order, on a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from opswire.chassis.delivery import BULK_AT_ONCE, Delivery
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until, until_told
from opswire.contracts.envelope import BULK, HEADER_LANE
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import FACTS, REQUEST_SUBMITTED

MANY = 300
"""More than one process holds of either lane."""


class Recorder:
    """Handles requests as the intent service does; bulk ones end only when they may."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.left: list[str] = []
        self.bulk_may_end = asyncio.Event()
        self.at_once = 0
        self.at_once_max = 0

    async def __call__(self, request: RequestSubmitted, delivery: Delivery) -> None:
        if delivery.is_left_to_bulk:
            self.left.append(request.request_id)
            return
        self.begun.append(request.request_id)
        if delivery.envelope.is_bulk:
            self.at_once += 1
            self.at_once_max = max(self.at_once, self.at_once_max)
            await self.bulk_may_end.wait()
            self.at_once -= 1
        self.ended.append(request.request_id)


@pytest.fixture
async def recorder(nats_server: NatsServer) -> AsyncIterator[Recorder]:
    found = Recorder()
    service = Service("intent", "0", ServiceSettings(nats_url=nats_server.url))
    service.on(REQUEST_SUBMITTED, found)
    await service.start()
    yield found
    found.bulk_may_end.set()
    await service.stop()


async def submit(upstream: Upstream, request_id: str, lane: str = "") -> None:
    body = {"request_id": request_id, "requester": {"id": "tester", "kind": "human"}, "text": "help"}
    await upstream.publish(request_id, json.dumps(body).encode(), {HEADER_LANE: lane} if lane else None)


async def test_requests_that_somebody_waits_for_overtake_all_bulk_ones(recorder: Recorder, upstream: Upstream) -> None:
    bulk = [f"bulk-{number}" for number in range(MANY)]
    for name in bulk:
        await submit(upstream, name, BULK)
    await until(lambda: len(recorder.begun) == BULK_AT_ONCE)
    for name in ("first", "second", "third"):
        await submit(upstream, name)
        await until(lambda name=name: name in recorder.ended)
    assert recorder.ended == ["first", "second", "third"]
    assert recorder.begun[:BULK_AT_ONCE] == bulk[:BULK_AT_ONCE]
    recorder.bulk_may_end.set()
    await until(lambda: len(recorder.ended) == MANY + 3)
    assert sorted(recorder.ended[3:]) == sorted(bulk)
    await until(lambda: set(recorder.left) == set(bulk))  # each was seen on its way, so that its time runs
    assert recorder.at_once_max == BULK_AT_ONCE


async def test_every_message_of_both_lanes_is_settled(recorder: Recorder, upstream: Upstream) -> None:
    recorder.bulk_may_end.set()
    for number in range(20):
        await submit(upstream, f"request-{number}", BULK if number % 2 else "")

    async def are_settled() -> bool:
        lanes = REQUEST_SUBMITTED.consumers_of("intent")
        infos = [await upstream.client.jetstream().consumer_info(FACTS, lane.durable) for lane in lanes]
        return all(info.num_pending == info.num_ack_pending == 0 for info in infos)

    await until_told(are_settled)
    assert sorted(recorder.ended) == sorted(f"request-{number}" for number in range(20))


@pytest.mark.parametrize("lane", ["interactive", "BULK", "1"])
async def test_any_other_lane_is_that_of_everybody(recorder: Recorder, upstream: Upstream, lane: str) -> None:
    await submit(upstream, "one", lane)
    await until(lambda: recorder.ended == ["one"])
    assert recorder.left == []
