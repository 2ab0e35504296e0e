"""The shared level on Valkey. Away or slow means a miss, never an error; after a fault it is left alone briefly."""

from __future__ import annotations

import asyncio
import time

from opswire.chassis.logs import get_logger
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

TIMEOUT_S = 0.05
PAUSE_AFTER_FAULT_S = 1.0
BYTES_MAX = 256 * 1024


class Valkey:
    """The bytes of one server. Each call is bounded to 100 ms, each wait in it to 50."""

    def __init__(self, url: str) -> None:
        self._client: Redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        self._paused_until_s = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the last call failed within the last second."""
        return time.monotonic() < self._paused_until_s

    async def get(self, key: str) -> bytes | None:
        """The bytes under `key`, or None."""
        if self.is_away:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S * 2):
                found = await self._client.get(key)
                return found.encode() if isinstance(found, str) else found
        except (RedisError, OSError, TimeoutError) as error:
            self._pause(error)
            return None

    async def set(self, key: str, data: bytes, ttl_s: float) -> None:
        """Keep `data` for `ttl_s` seconds; what is over 256 kB stays in memory only."""
        if self.is_away or len(data) > BYTES_MAX:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S * 2):
                await self._client.set(key, data, px=int(ttl_s * 1000))
        except (RedisError, OSError, TimeoutError) as error:
            self._pause(error)

    def _pause(self, error: Exception) -> None:
        self._paused_until_s = time.monotonic() + PAUSE_AFTER_FAULT_S
        get_logger().info("shared cache is away; going without", error=f"{type(error).__name__}: {error}"[:200])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
