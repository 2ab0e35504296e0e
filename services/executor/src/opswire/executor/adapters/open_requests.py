"""Finds requests that are past their deadline and have no outcome, straight from the facts.

The broker's timer is set by the service that reads a request first. Should that one be away, nobody sets it; so every
executor also sweeps: it reads which requests were accepted and which are finished, and ends those that are overdue.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from opswire.chassis.delivery import ack_metadata
from opswire.chassis.errors import PoisonError
from opswire.chassis.facts import Facts
from opswire.chassis.reading import read_message
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import FACTS, REQUEST_FINISHED, REQUEST_SUBMITTED
from opswire.contracts.types import DEADLINE_MS_DEFAULT, DEADLINE_MS_MAX

GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Overdue:
    """One request past its deadline. Times in nanoseconds since 1970."""

    source: str
    request_id: str
    accepted_ns: int


class OpenRequests:
    """Follows acceptances and outcomes by their headers alone; bodies are read for overdue candidates only."""

    def __init__(self, client: Client, facts: Facts) -> None:
        self._client = client
        self._facts = facts
        self._open: dict[tuple[str, str], int] = {}
        self._next_sequence: int | None = None

    async def overdue(self) -> list[Overdue]:
        """Requests without an outcome whose deadline passed more than five seconds ago. Raises nats' errors."""
        await self._follow()
        now_ns = time.time_ns()
        found: list[Overdue] = []
        for (source, request_id), accepted_ns in list(self._open.items()):
            if now_ns - accepted_ns < GRACE_S * 1e9:
                continue
            deadline_ns = await self._deadline_ns(source, request_id, accepted_ns)
            if now_ns > deadline_ns + GRACE_S * 1e9:
                found.append(Overdue(source, request_id, accepted_ns))
        return found

    def forget(self, request: Overdue) -> None:
        """The request has its outcome now."""
        self._open.pop((request.source, request.request_id), None)

    async def _deadline_ns(self, source: str, request_id: str, accepted_ns: int) -> int:
        message = await self._facts.read_message(REQUEST_SUBMITTED.subject(source=source, request_id=request_id))
        deadline_ms = DEADLINE_MS_DEFAULT
        if message is not None:
            try:
                body, _ = read_message(REQUEST_SUBMITTED, message.data, None)
                deadline_ms = body.deadline_ms if isinstance(body, RequestSubmitted) else deadline_ms
            except PoisonError:
                pass  # unreadable: the reader parks it; if it never comes, the default deadline ends it
        return accepted_ns + deadline_ms * 1_000_000

    async def _follow(self) -> None:
        """Apply what was stored since the last call; the first call begins a day back, the longest deadline."""
        messages = await self._new_headers()
        for message in messages:
            _, sequence, stored_ns = ack_metadata(message.reply)
            self._next_sequence = sequence + 1
            tokens = message.subject.split(".")
            key = (tokens[2], tokens[3])
            if tokens[4] == "finished":
                self._open.pop(key, None)
            else:
                self._open[key] = stored_ns

    async def _new_headers(self) -> deque[Msg]:
        found: deque[Msg] = deque()
        done = asyncio.Event()

        async def take(message: Msg) -> None:
            found.append(message)
            if message.reply.split(".")[-1] == "0":  # nothing pending after this one
                done.set()

        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=take, pending_msgs_limit=4_000_000)
        try:
            pending = await self._create_consumer(inbox)
            if pending:
                await asyncio.wait_for(done.wait(), 60)
        finally:
            await subscription.unsubscribe()
        return found

    async def _create_consumer(self, inbox: str) -> int:
        config: dict[str, object] = {
            "deliver_subject": inbox,
            "ack_policy": "none",
            "headers_only": True,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(5e9),
            "filter_subjects": [REQUEST_SUBMITTED.wildcard, REQUEST_FINISHED.wildcard],
        }
        if self._next_sequence is None:
            start = time.time() - DEADLINE_MS_MAX / 1000 - 60
            config |= {"deliver_policy": "by_start_time", "opt_start_time": _rfc3339(start)}
        else:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": self._next_sequence}
        body = orjson.dumps({"stream_name": FACTS, "config": config})
        reply = await self._client.request(f"$JS.API.CONSUMER.CREATE.{FACTS}", body, timeout=5)
        answer = orjson.loads(reply.data)
        if "error" in answer:
            raise ConnectionError(f"cannot read the open requests: {answer['error'].get('description')}")
        return int(answer["num_pending"]) + int(answer["delivered"]["consumer_seq"])


def _rfc3339(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
