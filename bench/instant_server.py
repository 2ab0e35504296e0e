"""A model server without a model: every chat completion gets the same canned reply at once. For measuring clients.

python -m bench.instant_server        # prints its port, ends when its standard input does
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

CONTENT = json.dumps(
    {
        "intent": "status.check",
        "confidence": 0.93,
        "risk": "read",
        "entities": [{"kind": "service", "name": "checkout"}, {"kind": "environment", "name": "production"}],
        "reason": "asks whether a service is up",
    },
    separators=(",", ":"),
)
COMPLETION = {
    "id": "chatcmpl-0192f0c1a7b2",
    "object": "chat.completion",
    "created": 1_795_219_243,
    "model": "instant",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": CONTENT}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 312,
        "completion_tokens": 48,
        "total_tokens": 360,
        "prompt_tokens_details": {"cached_tokens": 272},
    },
}


def reply(body: object) -> bytes:
    """A whole HTTP reply that keeps the connection open."""
    content = json.dumps(body, separators=(",", ":")).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


CANNED = reply(COMPLETION)
EMPTY = reply({})
MODELS = reply({"object": "list", "data": [{"id": "instant", "object": "model"}]})


class Instant(asyncio.Protocol):
    """One connection. Reads only as much of a request as its end needs."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            at = head.find(b"content-length:")
            length = 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            del self._buffer[: end + 4 + length]
            path = head.split(b" ", 2)[1]
            self._transport.write(_answer(path))


def _answer(path: bytes) -> bytes:
    if path.endswith(b"/chat/completions"):
        return CANNED
    return MODELS if path.endswith(b"/models") else EMPTY


async def serve() -> None:
    """Serve on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Instant, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
