"""A bulk request that waits for its turn runs out of time like any other: the broker ticks at its deadline."""

from __future__ import annotations

import asyncio
import json

from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until, until_told
from opswire.chassis.ticks import DeadlineTicks
from opswire.contracts.envelope import BULK, HEADER_LANE
from opswire.contracts.findings import IntentFinding
from opswire.contracts.routes import REQUEST_SUBMITTED
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, Risk
from opswire.intent.handlers.request_submitted import HandleRequestSubmitted
from opswire.intent.language.names import NameIndex
from opswire.intent.usecases.answer_request import AnswerRequest

SCHEDULES = "opswire.timers.v1.*.schedule"
DEADLINE_S = 3_000


async def test_a_bulk_request_behind_another_has_its_tick_and_no_intent_before_its_turn(
    nats_server: NatsServer, upstream: Upstream
) -> None:
    asked: list[str] = []
    may_end = asyncio.Event()

    async def find_intent(text: str, _: int) -> IntentFinding:
        asked.append(text)
        await may_end.wait()
        return IntentFinding(name=IntentName.SYSTEM_HELP, confidence=1.0, risk=Risk.LOW, source=IntentSource.RULE)

    async def submit(name: str, deadline_s: int) -> None:
        body = {"request_id": name, "requester": {"id": "tester", "kind": "human"}, "text": name}
        body["deadline_ms"] = deadline_s * 1_000
        await upstream.publish(name, json.dumps(body).encode(), {HEADER_LANE: BULK})

    async def ticks() -> list[int]:
        info = await upstream.client.jetstream().stream_info("OPSWIRE_TIMERS", subjects_filter=SCHEDULES)
        return sorted(int(subject.split(".")[3]) for subject in info.state.subjects or {})

    service = Service("intent", "0", ServiceSettings(nats_url=nats_server.url))
    service.on(REQUEST_SUBMITTED, HandleRequestSubmitted(AnswerRequest(find_intent, NameIndex()), DeadlineTicks()))
    await service.start()
    try:
        await submit("first", DEADLINE_S)
        await until(lambda: asked == ["first"])
        before = await ticks()
        await submit("second", 2 * DEADLINE_S)

        async def is_scheduled() -> bool:
            return len(await ticks()) > len(before)

        await until_told(is_scheduled)
        assert (await ticks())[-1] >= before[-1] + DEADLINE_S
        assert asked == ["first"]
        assert await upstream.stored("opswire.v1.test.second.intent") == []
        may_end.set()
        for name in ("first", "second"):
            (intent,) = await upstream.read(f"opswire.v1.test.{name}.intent", 1, 30)
            assert json.loads(intent)["intent"]["name"] == "system.help"
    finally:
        may_end.set()
        await service.stop()
