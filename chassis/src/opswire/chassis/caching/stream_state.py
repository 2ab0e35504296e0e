"""What the leader of the log's stream says of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from opswire.chassis.provision import DriftError
from opswire.contracts.routes import CHANGES

if TYPE_CHECKING:
    from opswire.chassis.bus import Bus

_TIME = re.compile(r"^(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$")


class StreamState(NamedTuple):
    """Creation time, last sequence, and when that one was stored (ns since 1970; 0 in an empty stream)."""

    created: str
    last: int
    last_ns: int


async def stream_state(bus: Bus) -> StreamState:
    """The log's state now, from the stream's leader. Raises DriftError where there is no such stream."""
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{CHANGES}", {})
    if "error" in info:
        raise DriftError(f"run `opswire provision`: stream {CHANGES}: {info['error'].get('description')}")
    state = info["state"]
    return StreamState(str(info["created"]), int(state["last_seq"]), nanoseconds(str(state["last_ts"])))


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time with up to nine digits; 0 before 1970. Raises ValueError."""
    found = _TIME.match(text)
    if found is None:
        raise ValueError(f"not a time: {text!r}")
    whole, fraction, zone = found.groups()
    seconds = int(datetime.fromisoformat(whole + (zone if zone != "Z" else "+00:00")).astimezone(UTC).timestamp())
    return max(0, seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0")))
