"""What executors may do just now, followed from the log of changes: a tightened mode holds within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.errors import Error as NatsError
from opswire.chassis.errors import PoisonError
from opswire.chassis.logs import get_logger
from opswire.chassis.reading import read_message
from opswire.chassis.wire import WireClient
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.routes import CHANGES, MODE_CHANGED

ASK_EVERY_S = 0.5
UNKNOWN = "unknown"
NORMAL = "normal"
STOPPED = "stopped"


class Modes:
    """One per process. Until the log could be read, and while it cannot be, the mode is `unknown`: only reads run.

    `may_loosen` says whether a message's signature lets it set `normal`; one that it refuses changes nothing.
    """

    def __init__(self, may_loosen: Callable[[ModeChanged], bool]) -> None:
        self._may_loosen = may_loosen
        self._sequence = 0
        self.mode = UNKNOWN
        self.reason = "not read yet"
        self.on_stopped: list[Callable[[], None]] = []
        """Called when no tool may run any more: whoever runs one ends it."""

    async def follow(self, client: WireClient) -> None:
        """Hear every change, and ask every half second besides: what was said while we were cut off is not heard."""
        asked = asyncio.Event()
        number = await client.subscribe_directly(MODE_CHANGED.template, lambda *_: asked.set())
        try:
            while True:
                await self.ask(client)
                asked.clear()
                try:
                    async with asyncio.timeout(ASK_EVERY_S):
                        await asked.wait()
                except TimeoutError:
                    continue
        finally:
            await client.unsubscribe_directly(number)

    async def ask(self, client: WireClient) -> None:
        """Read the last word on the mode."""
        try:
            answer = await client.request(f"$JS.API.DIRECT.GET.{CHANGES}.{MODE_CHANGED.template}", b"", timeout=2)
        except (NatsError, OSError, TimeoutError):
            self._set(UNKNOWN, "the broker cannot be asked")
            self._sequence = 0
            return
        if answer.headers is None or "Nats-Sequence" not in answer.headers:
            self._set(NORMAL, "")
            return
        sequence = int(answer.headers["Nats-Sequence"])
        if sequence == self._sequence:
            return
        self._sequence = sequence
        try:
            body, _ = read_message(MODE_CHANGED, answer.data, {})
        except PoisonError as error:
            self._set("read_only", f"the last word on the mode cannot be read: {error.code}")
            return
        assert isinstance(body, ModeChanged)
        if body.mode == NORMAL and not self._may_loosen(body):
            reason = "`normal` was asked for without the signature of a person of the role operator"
            self._set("read_only" if self.mode == UNKNOWN else self.mode, reason)
            return
        self._set(body.mode, body.reason)

    def _set(self, mode: str, reason: str) -> None:
        if mode != self.mode:
            get_logger().warning("mode", mode=mode, reason=reason)
        was, self.mode, self.reason = self.mode, mode, reason
        if mode == STOPPED != was:
            for callback in self.on_stopped:
                callback()
