"""nats-py's client with a short way for the two hot paths: publishing, and messages of standing subscriptions.

nats-py passes every message through a queue and a task of its subscription, and every publish through a future, a
queue and a flusher task, and checks each header with three expressions. Here a message goes straight from the parser
to a callback, and what is published within one turn of the loop is written at once. Connecting, reconnecting,
heartbeats, TLS and all other subscriptions stay nats-py's own.

It relies on private parts of nats-py 2.16 (`_process_msg`, `_pending`, `_subs`), so that release is pinned and
tests/test_wire.py fails when they move. Three hops cost 160 us by hand over plain nats-py; bench/pipeline prints ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, MaxPayloadError

HEADER_LINE = b"NATS/1.0\r\n"
PENDING_BYTES_MAX = 8 * 1024 * 1024
DirectCallback = Callable[[str, str, bytes, bytes | None], None]
"""Called with subject, reply, body and the raw header block."""


async def _never(_: Msg) -> None:
    raise AssertionError("a direct subscription's messages do not come this way")


class WireClient(Client):
    """A connection. `publish_now` and `subscribe_directly` are the additions; everything else is nats-py's."""

    def __init__(self) -> None:
        super().__init__()
        self._direct: dict[int, DirectCallback] = {}
        self._write_is_scheduled = False
        self._reconnecting: asyncio.Future[None] | None = None  # held, or the loop would forget it

    async def subscribe_directly(self, subject: str, callback: DirectCallback) -> int:
        """Have `callback` called for every message, on the loop, without a queue: it must be quick.

        Survives reconnects. Answers the number to unsubscribe by.
        """
        subscription = await self.subscribe(subject, cb=_never)
        number: int = subscription._id
        self._direct[number] = callback
        return number

    async def unsubscribe_directly(self, number: int) -> None:
        """End a direct subscription. Messages that are on their way are dropped."""
        self._direct.pop(number, None)
        subscription = self._subs.get(number)
        if subscription is not None and not self.is_closed:
            await subscription.unsubscribe()

    def publish_now(self, subject: str, reply: str, header: bytes, body: bytes) -> None:
        """Write one message with the loop's next turn. `header` is lines ending in CRLF without version line, or empty.

        Raises ConnectionClosedError while not connected (nothing is buffered: the caller repeats), MaxPayloadError.
        Subject and header must be free of line breaks and blanks; they are made by us, never copied from a body.
        """
        if not self.is_connected or self._pending_data_size + self._unsent_bytes() > PENDING_BYTES_MAX:
            raise ConnectionClosedError
        if header:
            header_size = len(HEADER_LINE) + len(header) + 2
            size = header_size + len(body)
            command = b"HPUB %b %b %d %d\r\nNATS/1.0\r\n%b\r\n%b\r\n" % (
                subject.encode(),
                reply.encode(),
                header_size,
                size,
                header,
                body,
            )
        else:
            size = len(body)
            command = b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), size, body)
        if size > self._max_payload:
            raise MaxPayloadError
        self._pending.append(command)
        self._pending_data_size += len(command)
        if not self._write_is_scheduled:
            self._write_is_scheduled = True
            asyncio.get_running_loop().call_soon(self._write_pending)

    def _unsent_bytes(self) -> int:
        """What the socket has not taken: a broker that is paused but connected must not fill our memory."""
        writer = getattr(self._transport, "_io_writer", None)  # absent over a web socket, which buffers elsewhere
        return 0 if writer is None else int(writer.transport.get_write_buffer_size())

    def _write_pending(self) -> None:
        self._write_is_scheduled = False
        if self._pending and self.is_connected and self._transport is not None:
            pending, self._pending, self._pending_data_size = self._pending, [], 0
            try:
                self._transport.write(b"".join(pending))
            except (OSError, RuntimeError) as error:
                # uvloop raises RuntimeError for a socket that it closed already, which nats-py has not read of yet.
                # What was to be written is gone like all that a dying socket held: whoever sent it repeats it.
                self._reconnecting = asyncio.ensure_future(self._process_op_err(error))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        # Anybody may publish on a subject that is not UTF-8, and nats-py's reading loop would end on it for good.
        text = subject.decode("utf-8", "backslashreplace")
        callback = self._direct.get(sid)
        if callback is None:
            await super()._process_msg(sid, text.encode(), reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        try:
            callback(text, reply.decode("utf-8", "backslashreplace"), data, headers or None)
        except Exception as error:  # noqa: BLE001  an error here would end nats-py's reading loop for good
            await self._error_cb(error)


def parse_header(block: bytes) -> dict[str, str]:
    """The headers of a raw block, without the version line. An inline status is kept as `Status`.

    Bytes that are not UTF-8 become U+FFFD; lines without a colon and names with blanks are left out, as nats-py does,
    at a fifth of its cost (it looks at each character of each name).
    """
    version, *lines = block.decode("utf-8", "replace").split("\r\n")
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name.split() == [name]:
            found[name] = value.strip()
    status = version[8:].strip()
    if status:
        found["Status"] = status[:3]
    return found
