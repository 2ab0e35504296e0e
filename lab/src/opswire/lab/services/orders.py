"""Orders: the file that holds them, and the two clients through which checkout reaches them on db-01."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from opswire.lab.services.http import UPSTREAM_TIMEOUT_S, UpstreamError, away
from opswire.lab.services.runtime import Endpoint

LINE_BYTES_MAX = 4_096
ORDERS_MAX = 10_000
SEED = (
    (1001, "mechanical keyboard", 1, "shipped"),
    (1002, "desk lamp", 2, "shipped"),
    (1003, "usb-c cable", 5, "packed"),
    (1004, "office chair", 1, "paid"),
    (1005, "monitor arm", 1, "paid"),
)


class OrderFile:
    """Orders as JSON lines in one file, oldest first. A new file begins with five."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "orders.jsonl"
        if not self._path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            rows = [dict(zip(("id", "item", "count", "state"), row, strict=True)) for row in SEED]
            self._path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self._lines = self._path.read_text().splitlines()[-ORDERS_MAX:]

    @property
    def count(self) -> int:
        """How many orders there are."""
        return len(self._lines)

    def latest(self, count: int) -> list[str]:
        """The newest orders as JSON texts, oldest of them first."""
        return self._lines[-count:] if count > 0 else []

    def add(self, text: str) -> None:
        """Append one order, given as a JSON object. Raises ValueError for anything else or when the file is full."""
        if not isinstance(json.loads(text), dict) or len(self._lines) >= ORDERS_MAX:
            raise ValueError("not a JSON object, or too many orders")
        with self._path.open("a") as file:
            file.write(text + "\n")
        self._lines.append(text)


class OrdersDatabase:
    """Client of the line server `orders-db`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def latest(self, count: int) -> list[str]:
        """The newest orders as JSON texts. Raises UpstreamError when the server is away."""
        return await self._ask(f"LIST {count}")

    async def ping(self) -> None:
        """Raises UpstreamError when the server does not answer."""
        await self._ask("PING")

    async def _ask(self, command: str) -> list[str]:
        try:
            async with asyncio.timeout(UPSTREAM_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self._endpoint.host, self._endpoint.port)
                try:
                    writer.write(f"{command}\n".encode())
                    status = (await reader.readline()).decode().split()
                    if not status or status[0] != "OK":
                        raise ValueError("an error was answered")
                    return [(await reader.readline()).decode().rstrip("\n") for _ in range(int(status[1]))]
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError, IndexError) as error:
            raise UpstreamError(away("orders-db", self._endpoint, error)) from error


class OrdersCache:
    """Client of the Valkey `orders-cache`: the two commands that checkout needs, in the RESP2 protocol."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def get(self, key: str) -> str | None:
        """The value, or None. Raises UpstreamError when the server is away."""
        return await self._ask("GET", key)

    async def put(self, key: str, value: str, lifetime_s: int) -> None:
        """Store a value for a time. Raises UpstreamError when the server is away."""
        await self._ask("SET", key, value, "EX", str(lifetime_s))

    async def ping(self) -> None:
        """Raises UpstreamError when the server does not answer."""
        await self._ask("PING")

    async def _ask(self, *words: str) -> str | None:
        try:
            async with asyncio.timeout(UPSTREAM_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self._endpoint.host, self._endpoint.port)
                try:
                    writer.write(_encode(words))
                    return await _decode(reader)
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            raise UpstreamError(away("orders-cache", self._endpoint, error)) from error


def _encode(words: tuple[str, ...]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


async def _decode(reader: asyncio.StreamReader) -> str | None:
    line = (await reader.readuntil(b"\r\n")).decode().strip()
    if line.startswith("+"):
        return line[1:]
    if line.startswith("$"):
        length = int(line[1:])
        return None if length < 0 else (await reader.readexactly(length + 2))[:-2].decode()
    raise ValueError(f"unexpected answer {line[:40]!r}")
