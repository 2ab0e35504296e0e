"""The shared level on Valkey. Away or slow means a miss, never an error; after a fault it is left alone briefly.

What is read and written within one turn of the loop, and while an answer is awaited, goes as one MGET and one batch of
SETs over one connection: at 50 readers that is several times redis-py's throughput, whose every call is a turn of its
own. The connection is redis-py's; only its pool and its per-command wrapping are left out.
"""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.logs import get_logger
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

TIMEOUT_S = 0.1
CONNECT_TIMEOUT_S = 0.1
PAUSE_AFTER_FAULT_S = 1.0
BYTES_MAX = 256 * 1024
BATCH_MAX = 256
_Answer = asyncio.Future[bytes | None]


class Valkey:
    """The bytes of one server. Each call is bounded to 100 ms in its turn, and one more for the turn before it."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=CONNECT_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._connection: AbstractConnection | None = None
        self._asked: list[tuple[str, _Answer]] = []
        self._told: list[tuple[str, bytes, int, _Answer]] = []
        self._worker: asyncio.Task[None] | None = None
        self._paused_until_s = 0.0

    @property
    def is_away(self) -> bool:
        """Whether a call failed within the last second."""
        return time.monotonic() < self._paused_until_s

    async def get(self, key: str) -> bytes | None:
        """The bytes under `key`, or None."""
        if time.monotonic() < self._paused_until_s:
            return None
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._asked.append((key, answer))
        self._wake()
        return await answer

    async def set(self, key: str, data: bytes, ttl_s: float) -> None:
        """Keep `data` for `ttl_s` seconds; what is over 256 kB stays in memory only."""
        if self.is_away or len(data) > BYTES_MAX or ttl_s <= 0:
            return
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._told.append((key, data, max(1, int(ttl_s * 1000)), answer))
        self._wake()
        await answer

    def _wake(self) -> None:
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="shared cache")

    async def _work(self) -> None:
        """Batch after batch, until nobody asks."""
        try:
            while self._asked or self._told:
                asked, self._asked = self._asked[:BATCH_MAX], self._asked[BATCH_MAX:]
                told, self._told = self._told[:BATCH_MAX], self._told[BATCH_MAX:]
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        await self._exchange(asked, told)
                except (RedisError, OSError, TimeoutError) as error:
                    await self._pause(error)
                finally:
                    _release([*(one[1] for one in asked), *(one[3] for one in told)])
        finally:
            self._worker = None
            _release([*(one[1] for one in self._asked), *(one[3] for one in self._told)])
            self._asked, self._told = [], []

    async def _exchange(self, asked: list[tuple[str, _Answer]], told: list[tuple[str, bytes, int, _Answer]]) -> None:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
            await connection.connect()
        commands = [connection.pack_command("SET", key, data, "PX", ttl_ms) for key, data, ttl_ms, _ in told]
        if asked:
            commands.append(connection.pack_command("MGET", *(key for key, _ in asked)))
        await connection.send_packed_command([piece for command in commands for piece in command], check_health=False)
        for _ in told:
            await connection.read_response()
        if not asked:
            return
        found = await connection.read_response(disable_decoding=True)
        for (_, answer), data in zip(asked, found, strict=True):
            if not answer.done():
                answer.set_result(data)

    async def _pause(self, error: Exception) -> None:
        """Leave the server alone for a second, and its connection for good: an answer may still be on its way."""
        self._paused_until_s = time.monotonic() + PAUSE_AFTER_FAULT_S
        get_logger().info("shared cache is away; going without", error=f"{type(error).__name__}: {error}"[:200])
        await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close the connection."""
        worker = self._worker
        if worker is not None:
            worker.cancel()
            await asyncio.wait((worker,))
        await self._disconnect()


def _release(answers: list[_Answer]) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(None)
