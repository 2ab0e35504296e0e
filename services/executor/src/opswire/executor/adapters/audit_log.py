"""Writes the audit trail: follows what is recorded, and appends it to the trail's stream by compare and set.

Any number of executors may do this at once: the broker lets one record follow another, and who comes second reads the
new end and leaves out what the first has recorded. Who lost the race waits longer the next time, so that one of them
does most of the work. Requests never wait for it.
"""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from nats.errors import Error as NatsError
from opswire.chassis.anchors import Anchor, AnchorWriter
from opswire.chassis.caching.stream_state import nanoseconds
from opswire.chassis.ending import end_all
from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.high_water import ADVICE, Loss, StreamBehindError
from opswire.chassis.logs import get_logger
from opswire.chassis.publisher import BrokerAwayError, OvertakenError, Publisher
from opswire.chassis.stream_guard import RequestJson, StreamGuard
from opswire.chassis.stream_reader import StreamReader
from opswire.chassis.wire import WireClient
from opswire.contracts.audit_recorded import AuditRecorded
from opswire.contracts.audit_recorded.sources import KEPT_WHOLE, SOURCES, Observed, observe
from opswire.contracts.envelope import Envelope
from opswire.contracts.routes import AUDIT, AUDIT_RECORDED
from opswire.executor.usecases.audit import LOSS_TYPE, Head, head_of, is_new, loss_accepted, next_record

LINGER_S = 0.1
LINGER_AFTER_CONFLICT_S = 1.0
AGAIN_S = 0.5
ENDING_S = 0.1
WAITING_MAX = 2_000
EXPECTED_LAST = "Nats-Expected-Last-Sequence"


class TrailUnreadableError(OpswireError):
    """The trail's last record is none that this release can read: nothing is appended to it."""

    code = "audit_unreadable"


class AuditLog:
    """One per executor. `client` is asked when the work begins: there is none before the service is connected."""

    def __init__(
        self,
        client: Callable[[], WireClient],
        request_json: RequestJson,
        guard: StreamGuard,
        anchors: Sequence[AnchorWriter],
        anchor_interval_s: float,
    ) -> None:
        self.recorder = f"executor-{secrets.token_hex(4)}"
        self.head = Head()
        self.state = "not begun"
        self._client = client
        self._request_json = request_json
        self._guard = guard
        self._anchors = anchors
        self._anchor_interval_s = anchor_interval_s
        self._anchored = Head()
        self._waiting: deque[Observed] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._is_writer = True
        self._must_begin_anew = False
        guard.high_water.on_loss_accepted.append(self._on_loss_accepted)

    def shown(self) -> dict[str, Any]:
        """How the trail stands, for whoever looks at the executor's health."""
        return {
            "state": self.state,
            "entries": self.head.number,
            "head": self.head.hash,
            "waiting": len(self._waiting),
            "changes": "allowed" if self._guard.state == "ok" else self._guard.state,
        }

    async def follow(self) -> None:
        """Record until cancelled. Faults of the broker are waited out; what is unrecorded then is recorded later."""
        while True:
            try:
                await self._follow_once()
            except (OpswireError, NatsError, OSError, TimeoutError) as error:
                self._tell(error)
            await asyncio.sleep(AGAIN_S)

    def _tell(self, error: Exception) -> None:
        sentence = str(error) or type(error).__name__
        is_temporary = isinstance(error, RetryableError) or not isinstance(error, OpswireError)
        if self.state != sentence and is_temporary:
            get_logger().info("audit trail waits", reason=sentence)
        elif self.state != sentence:
            get_logger().error("audit trail stopped", reason=sentence)
        self.state = sentence

    async def _follow_once(self) -> None:
        """From the trail's present end on. Raises what ends it."""
        await self._guard.check()
        self._must_begin_anew = False
        publisher = Publisher(self._client())
        await publisher.start()
        self._waiting = deque(one for one in self._waiting if one.type == LOSS_TYPE)
        await self._read_head()
        await self._require_positions()
        self.state = "ok"
        readers = [
            StreamReader(self._client(), stream, filters, self._next_sequence(stream))
            for stream, filters in SOURCES.items()
        ]
        works = [*(self._read(reader) for reader in readers), self._record(publisher), self._keep_anchoring()]
        tasks = [asyncio.create_task(work, name="audit trail") for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            # Not a TaskGroup, which cancels once: before Python 3.12 a cancellation that meets a reply is lost.
            await end_all(tasks, ENDING_S)
            for reader in readers:
                await reader.close()

    async def _require_positions(self) -> None:
        """The trail is not ahead of what it records, but for what a person has accepted. Raises StreamBehindError."""
        for stream, position in self.head.positions.items():
            last = (await self._guard.place(stream)).last.sequence
            if position <= last or any(one.stream == stream for one in self._waiting):
                continue
            losses = [one for one in self._guard.high_water.losses() if one.stream == stream and one.agreed <= last]
            if not losses:
                raise StreamBehindError(f"{stream} ends at {last} and is recorded up to {position}: {ADVICE}")
            self._on_loss_accepted(losses[-1])

    def _next_sequence(self, stream: str) -> int:
        position = self.head.positions.get(stream, 0)
        agreed = [one.sequence for one in self._waiting if one.stream == stream]
        return min([position, *agreed]) + 1

    async def _read(self, reader: StreamReader) -> None:
        while True:
            for message in await reader.next(LINGER_S):
                self._waiting.append(
                    observe(
                        reader.stream,
                        message.sequence,
                        message.subject,
                        message.stored_ns,
                        message.body,
                        message.headers,
                    )
                )
                # What may be replaced by a later message cannot be looked at again.
                stored_ns = message.stored_ns if reader.stream in KEPT_WHOLE else 0
                self._guard.high_water.saw(reader.stream, message.sequence, stored_ns)
            if self._waiting:
                self._arrived.set()
            if len(self._waiting) > WAITING_MAX:
                self._room.clear()
                await self._room.wait()

    async def _record(self, publisher: Publisher) -> None:
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            if not self._is_writer:
                # Who lost a race comes later: most often there is nothing left to do.
                await asyncio.sleep(LINGER_AFTER_CONFLICT_S * random.uniform(1, 2))  # noqa: S311
            if self._must_begin_anew:
                raise BrokerAwayError("a loss was accepted: the trail is followed anew from where streams agree")
            while self._waiting:
                await self._append(publisher)
            self._room.set()

    async def _append(self, publisher: Publisher) -> None:
        record = next_record(self.head, self._waiting, self.recorder, time.time_ns())
        if record is None:
            self._waiting.clear()
            return
        try:
            stored = await publisher.publish(AUDIT_RECORDED.template, self._header(record), record.to_bytes())
        except OvertakenError:
            before = self.head
            await self._read_head()
            if self.head.sequence == before.sequence:
                raise BrokerAwayError("the broker refuses the audit record although its end is the same") from None
            self._is_writer = False
        else:
            self._is_writer = True
            self.head = head_of(record, stored.sequence)
            self._guard.high_water.saw(AUDIT, stored.sequence)
        while self._waiting and not self._is_unrecorded(self._waiting[0], record):
            self._waiting.popleft()

    def _is_unrecorded(self, one: Observed, record: AuditRecorded) -> bool:
        if one.type != LOSS_TYPE:
            return is_new(self.head, one)
        digests = {entry.body_digest for entry in record.entries} if self._is_writer else set()
        return one.body_digest not in digests

    def _header(self, record: AuditRecorded) -> bytes:
        envelope = Envelope(
            id=record.entries[-1].hash[:16],
            source="/opswire/executor",
            type=AUDIT_RECORDED.type,
            message_id=f"{self.recorder}.{record.entries[-1].hash}",
        )
        headers = envelope.to_headers() | {EXPECTED_LAST: str(self.head.sequence)}
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()

    async def _read_head(self) -> None:
        """The trail's end by the stream's leader. Raises BrokerAwayError; OpswireError when it cannot be read."""
        answer = await self._request_json(f"$JS.API.STREAM.MSG.GET.{AUDIT}", {"last_by_subj": AUDIT_RECORDED.template})
        if "message" not in answer:
            if answer.get("error", {}).get("err_code") != 10037:  # no message found: the trail begins
                raise BrokerAwayError(f"{AUDIT}: {answer.get('error', {}).get('description')}")
            self.head = Head()
            return
        self.head = _head_in(answer["message"])
        self._guard.high_water.saw(AUDIT, self.head.sequence, nanoseconds(answer["message"]["time"]))

    async def _keep_anchoring(self) -> None:
        while True:
            await asyncio.sleep(self._anchor_interval_s)
            if self.head != self._anchored:
                await self._read_head()
                await self.anchor()

    async def anchor(self) -> None:
        """Write the head outside the broker, and the high-water mark with it. A fault is logged: recording goes on."""
        head = self.head
        if head == self._anchored or not head.sequence:
            return
        anchor = Anchor(head.sequence, head.number, head.hash, dict(head.positions), time.time_ns())
        try:
            for writer in self._anchors:
                await asyncio.to_thread(writer.write, anchor)
            await asyncio.to_thread(self._guard.high_water.keep)
        except OSError as error:
            get_logger().error("the audit trail's head cannot be anchored", error=str(error))
            return
        self._anchored = head

    def _on_loss_accepted(self, loss: Loss) -> None:
        told: dict[str, Any] = asdict(loss)
        self._waiting.appendleft(loss_accepted(loss.stream, loss.agreed, loss.person, loss.at_ns, told))
        self._must_begin_anew = True
        self._arrived.set()


def _head_in(message: dict[str, Any]) -> Head:
    try:
        record = AuditRecorded.from_bytes(base64.b64decode(message["data"]))
    except ValueError as error:  # pydantic's is one too
        raise TrailUnreadableError(f"the last record of {AUDIT} cannot be read; see `opswire audit verify`") from error
    return head_of(record, int(message["seq"]))
