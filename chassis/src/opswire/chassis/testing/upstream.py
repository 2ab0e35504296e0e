"""An upstream system as it is outside: a plain NATS client, one publish and one subscribe, nothing of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import ConsumerConfig, DeliverPolicy
from opswire.chassis.broker_keys import connect_options

STREAM = "OPSWIRE_FACTS"

UNREAD_CONSUMER_KEPT_S = 1.0
LOOK_AGAIN_S = 0.2


class Upstream:
    """Publishes requests as `source` and reads outcomes from the stream, with a key where the broker asks for one."""

    def __init__(self, url: str, source: str = "test", seed_file: Path | None = None) -> None:
        self.source = source
        self._url = url
        self._seed_file = seed_file
        self.client: Client

    async def __aenter__(self) -> Self:
        options = connect_options(self._seed_file)
        self.client = await nats.connect(self._url, max_reconnect_attempts=-1, reconnect_time_wait=0, **options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    async def submit(self, text: str, **fields: Any) -> str:
        """Publish a request in words; answers its id. Raises nats' errors when it is not accepted."""
        request_id = fields.pop("request_id", None) or str(uuid.uuid4())
        body = {"request_id": request_id, "requester": {"id": "tester", "kind": "human"}, "text": text} | fields
        await self.publish(request_id, json.dumps({k: v for k, v in body.items() if v is not None}).encode())
        return request_id

    async def publish(self, request_id: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish raw bytes as a request, acknowledged by the stream."""
        subject = f"opswire.v1.{self.source}.{request_id}.submitted"
        await self.client.jetstream().publish(subject, body, headers=headers, timeout=10, stream=None)

    async def outcome(self, request_id: str, timeout_s: float = 30) -> dict[str, Any]:
        """The outcome of a request, awaited. Raises TimeoutError."""
        subject = f"opswire.v1.{self.source}.{request_id}.finished"
        bodies = [await self.wait(subject, timeout_s)] if self._seed_file else await self.read(subject, 1, timeout_s)
        outcome: dict[str, Any] = json.loads(bodies[0])
        return outcome

    async def wait(self, subject: str, timeout_s: float, stream: str = STREAM) -> bytes:
        """The message that the stream holds on `subject`, waiting for it, without a consumer. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            subscription = await self.client.subscribe(subject)
            try:
                while True:
                    question = f"$JS.API.DIRECT.GET.{stream}.{subject}"
                    found = await self.client.request(question, b"", timeout=timeout_s, old_style=False)
                    if "Nats-Sequence" in (found.headers or {}):
                        return found.data
                    with contextlib.suppress(NatsTimeoutError):
                        await subscription.next_msg(timeout=LOOK_AGAIN_S)
            finally:
                await subscription.unsubscribe()

    async def settled(self, request_id: str, timeout_s: float = 30) -> str:
        """`finished`, or `requested` once people are asked about it: then the outcome waits for them."""
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, inactive_threshold=UNREAD_CONSUMER_KEPT_S)
        subject = f"opswire.v1.{self.source}.{request_id}.>"
        async with asyncio.timeout(timeout_s):
            subscription = await self.client.jetstream().subscribe(
                subject, stream=STREAM, config=config, ordered_consumer=True
            )
            try:
                while True:
                    last = (await subscription.next_msg(timeout=timeout_s)).subject.rpartition(".")[2]
                    if last in ("finished", "requested"):
                        return last
            finally:
                await subscription.unsubscribe()

    async def ask(self, text: str, timeout_s: float = 30, **fields: Any) -> dict[str, Any]:
        """Publish and wait for the outcome."""
        return await self.outcome(await self.submit(text, **fields), timeout_s)

    async def read(self, subject: str, count: int, timeout_s: float, stream: str = STREAM) -> list[bytes]:
        """The first `count` messages stored on `subject`, waiting for them. Raises TimeoutError."""
        # A consumer without a reader counts against the stream's limit until the broker lets it go: soon.
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, inactive_threshold=UNREAD_CONSUMER_KEPT_S)
        found: list[bytes] = []
        async with asyncio.timeout(timeout_s):
            subscription = await self.client.jetstream().subscribe(
                subject, stream=stream, config=config, ordered_consumer=True
            )
            try:
                while len(found) < count:
                    found.append((await subscription.next_msg(timeout=timeout_s)).data)
            finally:
                await subscription.unsubscribe()
        return found

    async def stored(self, subject: str, stream: str = STREAM) -> list[bytes]:
        """What the stream holds on `subject` at this moment; wildcards are allowed."""
        stream_api = self.client.jetstream()
        info = await stream_api.stream_info(stream, subjects_filter=subject)
        subjects = info.state.subjects or {}
        found: list[bytes] = []
        for name in subjects:
            message = await stream_api.get_last_msg(stream, name, direct=True)
            found.append(message.data or b"")
        return found
