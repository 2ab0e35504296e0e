"""What executors may do just now, followed from the log of changes: a stricter mode holds within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.msg import Msg
from opswire.chassis.caching.stream_state import nanoseconds
from opswire.chassis.direct_get import all_from, own_headers, sequence_of
from opswire.chassis.errors import PoisonError
from opswire.chassis.logs import get_logger
from opswire.chassis.publisher import BrokerAwayError
from opswire.chassis.reading import read_message
from opswire.chassis.wire import WireClient
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.routes import CHANGES, MODE_CHANGED
from opswire.executor.rules.people import People
from opswire.executor.rules.signed import loosening_refused

ASK_EVERY_S = 0.5
UNKNOWN = "unknown"
NORMAL = "normal"
READ_ONLY = "read_only"
STOPPED = "stopped"
_STRICTNESS = {NORMAL: 0, READ_ONLY: 1, STOPPED: 2}


class Modes:
    """One per process. Until the log could be read, and while it cannot be, the mode is `unknown`: only reads run.

    Every change in the log is followed in its order: anybody tightens, a milder mode needs the signature of a person
    of the role `operator`, made after the last tightening. One that is refused changes nothing.
    """

    def __init__(self, people: Callable[[], People]) -> None:
        self._people = people
        self._sequence = 0
        self._followed = NORMAL
        self._followed_reason = ""
        self._tightened_ns = 0
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
        """Read what was said about the mode since the last time."""
        try:
            messages = await all_from(client, CHANGES, MODE_CHANGED.template, self._sequence + 1)
        except BrokerAwayError as error:
            self.set(UNKNOWN, str(error))
            return
        for message in messages:
            self._apply(message)
        self.set(self._followed, self._followed_reason)

    def _apply(self, message: Msg) -> None:
        self._sequence = sequence_of(message)
        stored_ns = nanoseconds((message.headers or {})["Nats-Time-Stamp"])
        try:
            body, _ = read_message(MODE_CHANGED, message.data, own_headers(message))
        except PoisonError as error:
            self._tighten(READ_ONLY, f"a word on the mode cannot be read: {error.code}", stored_ns)
            return
        assert isinstance(body, ModeChanged)
        if _STRICTNESS[body.mode] >= _STRICTNESS[self._followed]:
            self._tighten(body.mode, body.reason, stored_ns)
            return
        refused = loosening_refused(body, stored_ns, self._tightened_ns, self._people())
        if refused is None:
            self._followed, self._followed_reason = body.mode, body.reason
        else:
            get_logger().warning("mode stays", wanted=body.mode, code=refused.code, reason=refused.sentence)

    def _tighten(self, mode: str, reason: str, stored_ns: int) -> None:
        if _STRICTNESS[mode] > _STRICTNESS[self._followed]:
            self._tightened_ns = stored_ns
        if _STRICTNESS[mode] >= _STRICTNESS[self._followed]:
            self._followed, self._followed_reason = mode, reason

    def set(self, mode: str, reason: str) -> None:
        """Be in this mode from now on."""
        if mode != self.mode:
            get_logger().warning("mode", mode=mode, reason=reason)
        was, self.mode, self.reason = self.mode, mode, reason
        if mode == STOPPED != was:
            for callback in self.on_stopped:
                callback()
