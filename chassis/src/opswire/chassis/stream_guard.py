"""Looks whether the broker still holds what it had acknowledged, and keeps the mark before anything is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nats.errors import Error as NatsError
from opswire.chassis.caching.stream_state import nanoseconds
from opswire.chassis.high_water import HighWater, Mark, Place, StreamBehindError
from opswire.chassis.publisher import BrokerAwayError

RequestJson = Callable[[str, object], Awaitable[dict[str, Any]]]


class StreamGuard:
    """What an executor asks before it changes anything. One per process; `request_json` is the bus' own."""

    def __init__(self, request_json: RequestJson, high_water: HighWater) -> None:
        self._request_json = request_json
        self.high_water = high_water
        self.state = "ok"
        """`ok`, or the sentence that the last check ended with."""

    async def check(self) -> None:
        """Every stream that has a mark still holds it. Asks the streams' leaders, about a millisecond.

        Raises StreamBehindError, or BrokerAwayError when the broker does not answer.
        """
        streams = self.high_water.streams
        places = await asyncio.gather(*(self.place(stream) for stream in streams))
        try:
            for stream, place in zip(streams, places, strict=True):
                while self.high_water.has_gone_back(stream, place):  # another check adopted a loss meanwhile
                    place = await self.place(stream)
                self.high_water.check(stream, place)
        except StreamBehindError as error:
            self.state = str(error)
            raise
        self.state = "ok"

    async def keep(self, stream: str, sequence: int) -> None:
        """This message of `stream` was acknowledged: on disk when this returns. Raises OSError."""
        self.high_water.saw(stream, sequence)
        await asyncio.to_thread(self.high_water.keep)

    async def place(self, stream: str) -> Place:
        """Where a stream stands now, by its leader. Raises BrokerAwayError; a stream that is gone ends at 0."""
        mark = self.high_water.mark(stream)
        asked = self._ask(f"STREAM.INFO.{stream}", {})
        if mark is None or not mark.stored_ns:
            return _place(await asked, None, mark)
        info, message = await asyncio.gather(asked, self._ask(f"STREAM.MSG.GET.{stream}", {"seq": mark.sequence}))
        return _place(info, nanoseconds(message["message"]["time"]) if "message" in message else None, mark)

    async def _ask(self, subject: str, body: object) -> dict[str, Any]:
        try:
            return await self._request_json(f"$JS.API.{subject}", body)
        except (NatsError, OSError, TimeoutError) as error:
            raise BrokerAwayError(f"the broker does not say where its streams stand: {error}") from error


def _place(info: dict[str, Any], at_mark_ns: int | None, mark: Mark | None) -> Place:
    if "error" in info and info["error"].get("code") != 404:
        raise BrokerAwayError(f"the broker does not say where a stream stands: {info['error'].get('description')}")
    state = info.get("state", {"last_seq": 0, "first_seq": 0, "last_ts": ""})
    last_ns = nanoseconds(str(state["last_ts"])) if state["last_seq"] else 0
    return Place(Mark(int(state["last_seq"]), last_ns), int(state["first_seq"]), at_mark_ns, mark)
