"""The delivery loop: standing pull requests with a bound on messages in flight.

FastStream's own pull loop fetches a batch and waits for its slowest handler (a stall of two seconds was seen). Here a
request stands at the broker all the time and is renewed when half of it is used, so that a free place is filled at
once. The bound is the only back-pressure: what is not asked for stays in the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opswire.chassis.logs import get_logger
from opswire.chassis.wire import WireClient, parse_header

EXPIRES_S = 30.0
HEARTBEAT_S = 5.0
Handle = Callable[[Msg], Awaitable[None]]


class PullLoop:
    """Feeds the messages of one durable consumer to `handle`, at most `in_flight_max` at a time."""

    def __init__(self, client: WireClient, stream: str, durable: str, handle: Handle, in_flight_max: int) -> None:
        self._client = client
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._durable = durable
        self._handle = handle
        self._in_flight_max = in_flight_max
        self._subscription: int | None = None
        self._inbox = ""
        self._asked = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_heard_s = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self._renewing = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """Messages whose handling has begun and not ended."""
        return len(self._tasks)

    async def start(self) -> None:
        """Begin pulling."""
        await self.renew()
        self._watch = asyncio.create_task(self._watch_over(), name=f"watch {self._durable}")

    async def stop(self, timeout_s: float) -> None:
        """Take nothing new, let what is in flight end; what is left after `timeout_s` is cancelled and redelivered."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
        if self._subscription is not None:
            await self._client.unsubscribe_directly(self._subscription)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1)

    def _ask(self) -> None:
        room = self._in_flight_max - len(self._tasks) - self._asked
        if self._stopping or self._subscription is None or room <= 0 or self._asked > self._in_flight_max // 2:
            return
        self._asked += room
        request = {"batch": room, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        try:
            self._client.publish_now(self._next_subject, self._inbox, b"", orjson.dumps(request))
        except NatsError:
            self._asked -= room  # not connected: the watch asks again

    def _on_message(self, subject: str, reply: str, body: bytes, header: bytes | None) -> None:
        self._last_heard_s = time.monotonic()
        headers = parse_header(header) if header else None
        if not reply.startswith("$JS.ACK"):
            self._on_status(headers or {})
            return
        self._asked = max(0, self._asked - 1)
        if self._stopping:
            return  # not acknowledged: the broker gives it to another replica after the ack wait
        message = Msg(self._client, subject, reply, body, headers)
        self._tasks.add(asyncio.get_running_loop().create_task(self._run(message)))

    async def _run(self, message: Msg) -> None:
        try:
            await self._handle(message)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            if self._asked <= self._in_flight_max // 2:
                self._ask()

    def _on_status(self, headers: dict[str, str]) -> None:
        status = headers.get("Status")
        if status == "100":
            return
        # 404 and 408 end one request; 409 says that the consumer or leader is gone. All leave places unfilled.
        pending = headers.get("Nats-Pending-Messages", "")
        self._asked = max(0, self._asked - int(pending)) if pending.isdigit() else 0
        if status in ("404", "408"):
            self._ask()
            return
        # 503: nobody answers, the stream may be gone. Asking at once would be a hot loop; the watch asks again.
        get_logger().info("pull request ended by the broker", consumer=self._durable, headers=headers)

    async def _watch_over(self) -> None:
        """Ask anew when the broker has been silent for two heartbeats: after a restart it knows no old request."""
        while True:
            await asyncio.sleep(0.5)
            silent_s = time.monotonic() - self._last_heard_s
            if not self._client.is_connected:
                continue
            if self._subscription is None or silent_s > 2 * HEARTBEAT_S:
                with contextlib.suppress(NatsError):  # gone again meanwhile: the next look tries again
                    await self.renew()
            elif self._asked == 0:
                self._ask()

    async def renew(self) -> None:
        """Begin again on a new inbox: after a reconnect, and when the broker was silent.

        What an old request may still bring goes to the old inbox, which nobody reads: it comes again after the ack
        wait, and the bound on messages in flight holds.
        """
        async with self._renewing:
            if self._stopping:
                return
            old, self._subscription = self._subscription, None
            if old is not None:
                await self._client.unsubscribe_directly(old)
            self._inbox = self._client.new_inbox()
            self._asked = 0
            self._last_heard_s = time.monotonic()
            self._subscription = await self._client.subscribe_directly(self._inbox, self._on_message)
            self._ask()
