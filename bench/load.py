"""A closed-loop load: so many requests under way at a time, each timed from publish to its outcome in the stream."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

STREAM = "OPSWIRE_FACTS"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run at one concurrency. Latencies in milliseconds."""

    concurrency: int
    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    failed: int

    @property
    def per_second(self) -> float:
        """Requests finished in a second."""
        return self.requests / self.seconds


class Load:
    """A plain client that publishes requests and watches the stream for their outcomes."""

    def __init__(
        self, url: str, text: Callable[[int], str], source: str = "bench", expected: str | None = None
    ) -> None:
        self._url = url
        self._text = text
        self._source = source
        self._expected = expected
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def __aenter__(self) -> Load:
        self._client = await nats.connect(self._url)
        self._jetstream = self._client.jetstream()
        inbox = self._client.new_inbox()
        await self._client.subscribe(inbox, cb=self._on_finished)
        config = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.NEW,
            ack_policy=AckPolicy.NONE,
            filter_subject=f"opswire.v1.{self._source}.*.finished",
            mem_storage=True,
        )
        await self._jetstream.add_consumer(STREAM, config)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def _on_finished(self, message: Msg) -> None:
        future = self._waiting.pop(message.subject.split(".")[3], None)
        if future is not None and not future.done():
            future.set_result(message.data)

    async def one(self, number: int) -> tuple[float, bytes]:
        """Milliseconds from publish to outcome, and the outcome."""
        request_id = uuid.uuid4().hex
        body = {
            "request_id": request_id,
            "text": self._text(number),
            "requester": {"id": "bench", "kind": "service"},
            "deadline_ms": 60_000,
        }
        subject = f"opswire.v1.{self._source}.{request_id}.submitted"
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        begun = time.perf_counter()
        await self._jetstream.publish(subject, json.dumps(body).encode(), headers={"Nats-Msg-Id": subject})
        outcome = await asyncio.wait_for(future, 60)
        return (time.perf_counter() - begun) * 1000, outcome

    async def run(self, concurrency: int, requests: int) -> Measured:
        """`requests` requests, `concurrency` at a time."""
        latencies: list[float] = []
        failed = 0
        numbers = iter(range(requests))

        async def worker() -> None:
            nonlocal failed
            for number in numbers:
                latency, outcome = await self.one(number)
                latencies.append(latency)
                if self._expected is not None and json.loads(outcome).get("status") != self._expected:
                    failed += 1

        begun = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        seconds = time.perf_counter() - begun
        ordered = sorted(latencies)
        return Measured(
            concurrency,
            requests,
            seconds,
            statistics.median(ordered),
            ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))],
            failed,
        )
