"""The NATS protocol by hand: publishes any bytes as subject, headers and body, as no client library would let one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

INBOX = b"_INBOX.raw"
CONNECT = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,"lang":"raw"}\r\n'
)
ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """The broker's word: `sequence` when it stored the message, else `code`; both None when nobody was told."""

    sequence: int | None = None
    code: str | None = None


def header_block(*lines: bytes) -> bytes:
    """A well-formed block of header lines."""
    return b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


class RawNats:
    """One connection, opened anew when the broker closed it."""

    def __init__(self, port: int) -> None:
        """Nothing is opened yet."""
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def publish(self, subject: bytes, body: bytes, headers: bytes = b"", reply: bytes = INBOX) -> Reply:
        """Publish and wait for the acknowledgement, or for the broker's PONG where `reply` goes elsewhere."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await self._connected()
            if headers:
                sizes = b"%d %d" % (len(headers), len(headers) + len(body))
                writer.write(b"HPUB %s %s %s\r\n%s%s\r\n" % (subject, reply, sizes, headers, body))
            else:
                writer.write(b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(body), body))
            writer.write(b"PING\r\n")
            try:
                return await self._answer(reader, awaited=reply == INBOX)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                return Reply(code="connection closed")

    def close(self) -> None:
        """Close the connection; the next publish opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(CONNECT + b"SUB %s 1\r\nPING\r\n" % INBOX)
            while not (await self._reader.readline()).startswith(b"PONG"):
                pass
        return self._reader, self._writer

    async def _answer(self, reader: asyncio.StreamReader, awaited: bool) -> Reply:
        found: Reply | None = None
        is_answered_ping = False
        while not (is_answered_ping and (found is not None or not awaited)):
            line = await reader.readline()
            if not line:
                raise ConnectionResetError
            if line.startswith(b"-ERR"):
                found = Reply(code=line.decode().strip().partition("'")[2].rstrip("'"))
                if "Permissions" not in (found.code or ""):  # the broker closes after any other fault
                    self.close()
                    return found
                awaited = False
            elif line.startswith(b"PONG"):
                is_answered_ping = True
            elif line.startswith((b"MSG", b"HMSG")):
                found = _read(line, await reader.readexactly(int(line.split()[-1]) + 2))
        return found or Reply()


def _read(line: bytes, payload: bytes) -> Reply:
    if line.startswith(b"HMSG"):
        return Reply(code=payload.split(b"\r\n")[0].split()[1].decode())  # 503: nobody takes the subject
    answer: dict[str, Any] = json.loads(payload)
    if "error" in answer:
        return Reply(code=str(answer["error"]["err_code"]))
    return Reply(sequence=answer["seq"])
