"""Tells the broker that long work goes on, from a thread and a connection of its own: blocking work cannot starve it.

A handler that blocks the event loop for longer than the ack wait would otherwise lose its message to another replica,
together with everything else that is in flight here. A process that is stopped loses them all the same, and so does one
whose loop has not turned for `BLOCKED_S_MAX`: it hangs, and others shall go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from nats.errors import Error as NatsError
from opswire.chassis.wire import WireClient

BLOCKED_S_MAX = 60.0
JOIN_TIMEOUT_S = 5.0


class Heartbeats:
    """One per process. `options` are those of the connection; `in_progress` gives the reply subject of each message.

    `in_progress` is called from the thread.
    """

    def __init__(
        self, url: str, options: Mapping[str, Any], interval_s: float, in_progress: Callable[[], list[str]]
    ) -> None:
        """Nothing is connected yet."""
        self._url = url
        self._options = dict(options)
        self._interval_s = interval_s
        self._in_progress = in_progress
        self._turned_s = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._beating: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="in-progress heartbeats", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, also while the broker is away."""
        self._beating = self._loop.create_task(self._beat())
        self._thread.start()

    async def turn(self) -> None:
        """Say, from the loop that handles messages, that it turns. Runs until cancelled."""
        while True:
            self._turned_s = time.monotonic()
            await asyncio.sleep(self._interval_s)

    async def stop(self) -> None:
        """End the thread and its connection."""
        if self._beating is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._beating.cancel)
            await asyncio.to_thread(self._thread.join, JOIN_TIMEOUT_S)

    def _run(self) -> None:
        assert self._beating is not None
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._beating)
        self._loop.close()

    async def _beat(self) -> None:
        client = WireClient()
        try:
            await client.connect(self._url, **self._options, max_reconnect_attempts=-1, error_cb=_quiet)
            while True:
                await asyncio.sleep(self._interval_s)
                if time.monotonic() - self._turned_s < BLOCKED_S_MAX:
                    self._tell(client)
        finally:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await asyncio.shield(client.close())

    def _tell(self, client: WireClient) -> None:
        for reply in self._in_progress():
            try:
                client.publish_now(reply, "", b"", b"+WPI")
            except NatsError:
                return  # away: the messages come again, which is harmless


async def _quiet(_: Exception) -> None:
    """The connection that handles messages tells how the broker is."""
