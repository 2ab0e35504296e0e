"""Server-sent events, as far as model servers use them: the data of each event, decoded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from opswire.chassis.inference.backend import garbage, read_object
from opswire.chassis.inference.transport import REPLY_BYTES_MAX, too_large

DONE = b"[DONE]"


class StreamedText:
    """What a stream has said so far; no more of it than a whole reply may hold."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._characters = 0

    def add(self, part: str) -> str:
        """The part, kept. Raises ReplyTooLargeError."""
        self._characters += len(part)
        if self._characters > REPLY_BYTES_MAX:
            raise too_large(REPLY_BYTES_MAX)
        self._parts.append(part)
        return part

    def whole(self) -> str:
        """All parts in their order."""
        return "".join(self._parts)


async def events(parts: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any] | None]:
    """Each event's data as an object; None for OpenAI's end mark. Raises ReplyInvalidError on what is no JSON.

    Raises ReplyTooLargeError for a line that is longer than a whole reply may be.
    """
    rest = b""
    data: list[bytes] = []
    async for part in parts:
        lines = (rest + part).split(b"\n")
        rest = lines.pop()
        if len(rest) > REPLY_BYTES_MAX:
            raise too_large(REPLY_BYTES_MAX)
        for raw in lines:
            line = raw.rstrip(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield _decoded(b"\n".join(data))
                data = []
    if data or rest.startswith(b"data:"):
        yield _decoded(b"\n".join([*data, *([rest[5:].strip()] if rest.startswith(b"data:") else [])]))


def _decoded(data: bytes) -> dict[str, Any] | None:
    return None if data.strip() == DONE else read_object(data)


def text_of(found: object) -> str:
    """Text that a protocol sends as a string, as parts, or not at all. Raises ReplyInvalidError on anything else."""
    if found is None:
        return ""
    if isinstance(found, str):
        return found
    if isinstance(found, list):
        parts = (part.get("text") for part in found if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    raise garbage()
