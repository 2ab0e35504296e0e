"""Which requests were accepted and have no outcome, read from the facts themselves.

Acceptances and outcomes are followed in batches and by their headers alone, 12 microseconds a message; a body is read
only for a request that is still open, for its deadline. The first reading goes back a day, the longest deadline; what
waits for people may be older, and is looked for among what they were asked.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opswire.chassis.delivery import ack_metadata, consumer_sequence
from opswire.chassis.errors import PoisonError
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import BrokerAwayError
from opswire.chassis.reading import read_message
from opswire.chassis.stream_reader import reader_subject
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import APPROVAL_DECIDED, APPROVAL_REQUESTED, FACTS, REQUEST_FINISHED, REQUEST_SUBMITTED
from opswire.contracts.types import DEADLINE_MS_DEFAULT, DEADLINE_MS_MAX, REQUEST_ID_PATTERN, SOURCE_PATTERN
from opswire.executor.rules.policy_file import APPROVAL_WINDOW_S_MAX
from opswire.executor.usecases.ask import DAY_NS

READING_TIMEOUT_S = 60.0
APPROVALS_BACK_S = APPROVAL_WINDOW_S_MAX + DAY_NS / 1e9 + 60
"""The longest that people may have to decide, and that a plan may run then."""
_FOLLOWED = (REQUEST_SUBMITTED, APPROVAL_REQUESTED, APPROVAL_DECIDED, REQUEST_FINISHED)


def is_key(source: str, request_id: str) -> bool:
    """Whether an outcome can be addressed to a request of this source and id."""
    # fullmatch: `$` alone lets a newline at the end pass.
    return bool(re.fullmatch(SOURCE_PATTERN, source) and re.fullmatch(REQUEST_ID_PATTERN, request_id))


@dataclass(slots=True)
class OpenRequest:
    """One request without an outcome. Times in nanoseconds since 1970; the deadline is None until it was read.

    `round` is the last in which people were asked, 0 where they were not; `is_decided`, whether that one is.
    `since_ns` is when it began to wait for whom it waits for now.
    """

    source: str
    request_id: str
    accepted_ns: int
    deadline_ns: int | None = None
    round: int = 0
    is_decided: bool = False
    since_ns: int = 0

    @property
    def waits_for_people(self) -> bool:
        """Whether nothing goes on before somebody said a word."""
        return self.round > 0 and not self.is_decided


class OpenRequests:
    """Follows the facts stream. One caller at a time."""

    def __init__(self, client: Client, facts: Facts) -> None:
        self._client = client
        self._facts = facts
        self._open: dict[tuple[str, str], OpenRequest] = {}
        self._next_sequence: int | None = None
        self._has_looked_back = False

    async def overdue(self, now_ns: int) -> list[OpenRequest]:
        """Open requests whose deadline is not after `now_ns`. Raises RetryableError while the broker is away."""
        try:
            await self._follow()
        except (NatsError, OSError, TimeoutError) as error:
            raise BrokerAwayError(f"the open requests cannot be read: {error}") from error
        found: list[OpenRequest] = []
        for request in list(self._open.values()):
            if request.deadline_ns is None:
                request.deadline_ns = await self._deadline_ns(request)
            if request.deadline_ns <= now_ns:
                found.append(request)
        return found

    @property
    def undecided(self) -> list[OpenRequest]:
        """Those of which people were asked and nothing was decided, as of the last call of `overdue`."""
        return [request for request in self._open.values() if request.waits_for_people]

    @property
    def all(self) -> list[OpenRequest]:
        """Every one, as of the last call of `overdue`."""
        return list(self._open.values())

    def forget(self, request: OpenRequest) -> None:
        """The request has its outcome now."""
        self._open.pop((request.source, request.request_id), None)

    async def _deadline_ns(self, request: OpenRequest) -> int:
        if request.round:
            return await self._approval_deadline_ns(request)
        return await self._own_deadline_ns(request)

    async def _approval_deadline_ns(self, request: OpenRequest) -> int:
        """Until when people may decide, and once they have, until when the plan may run."""
        variables = {"source": request.source, "request_id": request.request_id, "round": str(request.round)}
        message = await self._facts.read_message(APPROVAL_REQUESTED.subject(**variables))
        if message is None:
            return await self._own_deadline_ns(request)
        try:
            body, _ = read_message(APPROVAL_REQUESTED, message.data, {})
        except PoisonError:
            return await self._own_deadline_ns(request)
        assert isinstance(body, ApprovalRequested)
        return body.deadline_ns if request.is_decided else body.expires_ns

    async def _own_deadline_ns(self, request: OpenRequest) -> int:
        subject = REQUEST_SUBMITTED.subject(source=request.source, request_id=request.request_id)
        message = await self._facts.read_message(subject)
        deadline_ms = DEADLINE_MS_DEFAULT
        if message is not None:
            try:
                body, _ = read_message(REQUEST_SUBMITTED, message.data, message.headers)
                deadline_ms = body.deadline_ms if isinstance(body, RequestSubmitted) else deadline_ms
            except PoisonError:
                deadline_ms = DEADLINE_MS_DEFAULT  # its reader parks it; if none ever comes, this ends it
        return request.accepted_ns + deadline_ms * 1_000_000

    async def _follow(self) -> None:
        """Apply what was stored since the last call."""
        begin_s = time.time() - DEADLINE_MS_MAX / 1000 - 60 if self._next_sequence is None else None
        messages = await self._messages([route.wildcard for route in _FOLLOWED], begin_s)
        self._apply(messages)
        if not self._has_looked_back:
            await self._look_back()
            self._has_looked_back = True

    async def _look_back(self) -> None:
        """Take in what people were asked before the first reading began, and which has no outcome."""
        wildcards = [APPROVAL_REQUESTED.wildcard, APPROVAL_DECIDED.wildcard]
        older = OpenRequests(self._client, self._facts)
        for message in await self._messages(wildcards, time.time() - APPROVALS_BACK_S):
            _, _, stored_ns = ack_metadata(message.reply)
            _, _, source, request_id, _, *rest = message.subject.split(".")
            if (source, request_id) not in self._open:
                older._open.setdefault((source, request_id), OpenRequest(source, request_id, stored_ns))
                older._asked((source, request_id), stored_ns, *rest)
        for (source, request_id), request in older._open.items():
            if await self._facts.read_message(REQUEST_FINISHED.subject(source=source, request_id=request_id)) is None:
                self._open[source, request_id] = request

    def _apply(self, messages: list[Msg]) -> None:
        for message in messages:
            _, sequence, stored_ns = ack_metadata(message.reply)
            self._next_sequence = sequence + 1
            _, _, source, request_id, kind, *rest = message.subject.split(".")
            if kind == "finished":
                self._open.pop((source, request_id), None)
            elif kind == "approval":
                self._asked((source, request_id), stored_ns, *rest)
            elif is_key(source, request_id):  # to any other no outcome can be addressed; its reader parks it
                self._open[source, request_id] = OpenRequest(source, request_id, stored_ns, since_ns=stored_ns)

    def _asked(self, key: tuple[str, str], stored_ns: int, number: str, kind: str) -> None:
        """A round was asked or decided: another deadline counts from now on."""
        request = self._open.get(key)
        if request is None or not number.isdigit():
            return
        if kind == "requested" and int(number) > request.round:
            request.round, request.is_decided, request.deadline_ns = int(number), False, None
            request.since_ns = stored_ns
        elif kind == "decided" and int(number) == request.round:
            request.is_decided, request.deadline_ns, request.since_ns = True, None, stored_ns

    async def _messages(self, wildcards: list[str], begin_s: float | None) -> list[Msg]:
        """What is stored on these subjects from that time on (seconds since 1970), or since the last reading."""
        found: list[Msg] = []
        everything = asyncio.Event()

        async def take(message: Msg) -> None:
            found.append(message)
            if message.reply.rpartition(".")[2] == "0":  # none pending after this one
                everything.set()

        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=take, pending_msgs_limit=4_000_000)
        try:
            if await self._create_consumer(inbox, wildcards, begin_s):
                await asyncio.wait_for(everything.wait(), READING_TIMEOUT_S)
        finally:
            await subscription.unsubscribe()
        if any(consumer_sequence(message.reply) != place for place, message in enumerate(found, start=1)):
            raise ConnectionError("a message was lost on the way; read again from the same place")
        return found

    async def _create_consumer(self, inbox: str, wildcards: list[str], begin_s: float | None) -> int:
        """A short-lived consumer; answers how many messages it will deliver."""
        config: dict[str, Any] = {
            "deliver_subject": inbox,
            "ack_policy": "none",
            "headers_only": True,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(5e9),
            "filter_subjects": wildcards,
        }
        if begin_s is not None:
            begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin_s))
            config |= {"deliver_policy": "by_start_time", "opt_start_time": begin}
        else:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": self._next_sequence}
        body = orjson.dumps({"stream_name": FACTS, "config": config})
        reply = await self._client.request(reader_subject(FACTS), body, timeout=5)
        answer = orjson.loads(reply.data)
        if "error" in answer:
            raise ConnectionError(str(answer["error"].get("description")))
        return int(answer["num_pending"]) + int(answer["delivered"]["consumer_seq"])
