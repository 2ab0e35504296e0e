"""An upstream that goes on while everything dies: a plain client that repeats a publish it heard nothing of."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import uuid
from dataclasses import dataclass, field

import nats
from checker import FACTS, read_stream
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError

SOURCE = "steady"
SUBJECT_TAKEN = 10077
PUBLISH_TIMEOUT_S = 2.0
READ_EVERY_S = 0.5
BURST_MAX = 48
DEADLINE_MS = 60_000
SHORT_DEADLINE_MS = 1_500

# What is asked, and how it ends while nothing is broken. Under fire it may also end `expired`.
KINDS: dict[str, tuple[str, str]] = {
    "asset.get": ("what is the ip of web-0{n}", "completed"),
    "asset.list": ("list production hosts", "completed"),
    "asset.count": ("how many hosts are in staging", "completed"),
    "system.help": ("help", "completed"),
    "out of scope": ("write me a poem about {n} rivers", "rejected"),
    "write": ("restart checkout on web-0{n}", "rejected"),
    "unknown name": ("what is the ip of nowhere-{n}{n}", "needs_clarification"),
}


@dataclass(slots=True)
class Notes:
    """What the upstream knows, by `<source>/<request_id>`."""

    attempted: dict[str, bytes] = field(default_factory=dict)
    accepted: dict[str, bytes] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    seen: dict[str, bytes] = field(default_factory=dict)
    repeats: int = 0
    refused_as_present: int = 0


class SteadyUpstream:
    """Publishes requests at a steady rate, in bursts of up to 48, and reads outcomes all the while."""

    def __init__(self, url: str, source_of_chance: random.Random) -> None:
        self.notes = Notes()
        self.bursts = asyncio.Condition()
        """Told of each burst as it is published."""
        self.client: Client
        self._url = url
        self._random = source_of_chance
        self._next_sequence = 1

    async def connect(self) -> None:
        """Connect; reconnects for ever by itself."""
        self.client = await nats.connect(
            self._url,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0,
            connect_timeout=2,
            error_cb=_ignore,
        )

    async def send(self, count: int, per_second: float) -> None:
        """Send `count` requests in bursts; ends when the broker has acknowledged every one of them."""
        loop = asyncio.get_running_loop()
        begun, number = loop.time(), 0
        async with asyncio.TaskGroup() as group:
            while number < count:
                await asyncio.sleep(max(0.0, begun + number / per_second - loop.time()))
                burst = range(number, min(count, number + self._random.randint(1, BURST_MAX)))
                for one in burst:
                    group.create_task(self._submit(one))
                number = burst.stop
                async with self.bursts:
                    self.bursts.notify_all()

    async def _submit(self, number: int) -> None:
        kind = self._random.choice(list(KINDS))
        text, expected = KINDS[kind]
        request_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        body = {
            "request_id": request_id,
            "text": text.format(n=1 + number % 6),
            "requester": {"id": "steady", "kind": "service"},
            "deadline_ms": SHORT_DEADLINE_MS if self._random.random() < 0.05 else DEADLINE_MS,
        }
        key, payload = f"{SOURCE}/{request_id}", json.dumps(body).encode()
        subject = f"opswire.v1.{SOURCE}.{request_id}.submitted"
        # A plain client may or may not name its message; both ways of repeating must be safe.
        headers = {"Nats-Msg-Id": request_id} if number % 2 else None
        self.notes.attempted[key], self.notes.expected[key] = payload, expected
        await self._publish_until_accepted(subject, payload, headers)
        self.notes.accepted[key] = payload

    async def _publish_until_accepted(self, subject: str, payload: bytes, headers: dict[str, str] | None) -> None:
        jetstream = self.client.jetstream(timeout=PUBLISH_TIMEOUT_S)
        while True:
            try:
                await jetstream.publish(subject, payload, headers=headers)
                return
            except APIError as error:
                if error.err_code == SUBJECT_TAKEN:
                    self.notes.refused_as_present += 1
                    return  # an earlier publish of ours was stored and its acknowledgement lost
                if error.code != 503:
                    raise
            except (NatsError, TimeoutError, OSError):
                pass
            self.notes.repeats += 1
            await asyncio.sleep(0.05)  # between attempts, not for anything to happen

    async def read_outcomes(self) -> None:
        """Read outcomes as they come, for ever: an outcome once seen must never change."""
        while True:
            with contextlib.suppress(NatsError, TimeoutError, OSError):  # away: read on from the same place
                await self.read_once()
            await asyncio.sleep(READ_EVERY_S)

    async def read_once(self) -> None:
        """Read what is new. Raises nats' errors."""
        found, _ = await read_stream(self.client, FACTS, self._next_sequence)
        for message in found:
            self._next_sequence = message.sequence + 1
            _, _, source, request_id, kind = message.subject.split(".", 4)
            if kind == "finished":
                self.notes.seen[f"{source}/{request_id}"] = message.body

    async def all_answered(self) -> None:
        """Wait until an outcome was seen for every accepted request."""
        while self.notes.accepted.keys() - self.notes.seen.keys():  # noqa: ASYNC110  the reader above brings them
            await asyncio.sleep(READ_EVERY_S)


async def _ignore(_: Exception) -> None:
    """Broken connections are what this test is about."""
