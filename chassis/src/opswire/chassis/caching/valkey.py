"""The shared level on Valkey. Away or slow means a miss, never an error; after a fault it is left alone briefly.

What is asked within one turn of the loop, while an answer is on its way, goes as a few MGETs, each as soon as it is
worth its call: the server looks up the first while the others are still being asked for. The connection is made by
redis-py (address, TLS, password, database); from then on its transport speaks to `_Lines`, so an answer
costs no task, no stream and no timer of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import hiredis
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
EAGER_AT = 24
"""So many keys are asked for at once, not at the end of the turn: the server looks them up while the rest is asked."""
_Answer = asyncio.Future[bytes | None]


class _Lines(asyncio.Protocol):
    """Answers in the order of what was asked. Whatever goes wrong ends the connection, once."""

    def __init__(self, transport: asyncio.Transport, owner: Valkey) -> None:
        self.transport = transport
        self._owner = owner
        self._reader = hiredis.Reader()
        self.future = asyncio.get_running_loop().create_future
        self.waiting: deque[tuple[float, list[_Answer]]] = deque()

    def ask(self, command: bytes, answers: list[_Answer]) -> None:
        """Write one command; its answer, a list or a single reply, is for `answers`."""
        self.waiting.append((time.monotonic(), answers))
        self.transport.write(command)

    @property
    def oldest_s(self) -> float | None:
        """When what has waited longest was asked; None when nothing waits."""
        return self.waiting[0][0] if self.waiting else None

    def data_received(self, data: bytes) -> None:
        """Take what came; a reply that is an error, or one too many, is a fault."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                _, answers = self.waiting.popleft()
                if isinstance(reply, list):
                    for answer, found in zip(answers, reply, strict=True):
                        if not answer.done():
                            answer.set_result(found)
                elif isinstance(reply, hiredis.ReplyError):
                    _release(answers)
                    self._owner.fail(self, reply)
                else:
                    _release(answers)
        except (hiredis.HiredisError, IndexError, ValueError) as error:
            self._owner.fail(self, error)

    def connection_lost(self, error: Exception | None) -> None:
        """The server ended it."""
        self._owner.fail(self, error or ConnectionResetError("the server ended the connection"))

    def end(self) -> None:
        """Give up what waits."""
        self.transport.abort()
        while self.waiting:
            _release(self.waiting.popleft()[1])


class Valkey:
    """The bytes of one server. Each call is bounded to 200 ms: an answer that is late ends the connection."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(
            url, protocol=2, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self._connection: AbstractConnection | None = None
        self._lines: _Lines | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._keys: list[str] = []
        self._answers: list[_Answer] = []
        self._told: list[tuple[bytes, _Answer]] = []
        self._is_scheduled = False
        self._paused_until_s = 0.0

    @property
    def is_away(self) -> bool:
        """Whether a call failed within the last second."""
        return time.monotonic() < self._paused_until_s

    def get(self, key: str) -> _Answer:
        """The bytes under `key`, or None."""
        lines = self._lines
        answer = asyncio.get_running_loop().create_future() if lines is None else lines.future()
        if lines is None and self.is_away:
            answer.set_result(None)
            return answer
        self._keys.append(key)
        self._answers.append(answer)
        if not self._is_scheduled:
            if lines is not None and not lines.waiting:
                self._flush()  # nobody else asks: waiting for them would cost a turn
            else:
                self._is_scheduled = True
                asyncio.get_running_loop().call_soon(self._flush)
        elif lines is not None and len(self._keys) >= EAGER_AT:
            self._ask(lines)
        return answer

    async def set(self, key: str, data: bytes, ttl_s: float) -> None:
        """Keep `data` for `ttl_s` seconds; what is over 256 kB stays in memory only."""
        if self.is_away or len(data) > BYTES_MAX or ttl_s <= 0:
            return
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        self._told.append((_packed("SET", key, data, "PX", max(1, int(ttl_s * 1000))), answer))
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._flush)
        await answer

    def _flush(self) -> None:
        self._is_scheduled = False
        lines = self._lines
        if lines is None:
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect(), name="shared cache")
            return
        told, self._told = self._told, []
        for command, answer in told:
            lines.ask(command, [answer])
        self._ask(lines)

    def _ask(self, lines: _Lines) -> None:
        keys, self._keys = self._keys, []
        answers, self._answers = self._answers, []
        for start in range(0, len(keys), BATCH_MAX):
            end = start + BATCH_MAX
            lines.ask(_packed("MGET", *keys[start:end]), answers[start:end])
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(TIMEOUT_S, self._look, lines)

    def _look(self, lines: _Lines) -> None:
        """Whether an answer is overdue. One timer for all, and none while nothing is asked."""
        self._watch = None
        oldest_s = lines.oldest_s
        if lines is not self._lines or oldest_s is None:
            return
        left_s = oldest_s + TIMEOUT_S - time.monotonic()
        if left_s <= 0:
            self.fail(lines, TimeoutError("no answer in time"))
        else:
            self._watch = asyncio.get_running_loop().call_later(left_s, self._look, lines)

    async def _connect(self) -> None:
        connection: Any = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
            transport = connection._writer.transport  # its only way to the transport; test_caching.py fails if it moves
            lines = _Lines(transport, self)
            transport.set_protocol(lines)
            transport.set_write_buffer_limits(high=0)  # what is asked early is to be sent early
            self._connection, self._lines, self._paused_until_s = connection, lines, 0.0
        except (RedisError, OSError, TimeoutError) as error:
            self._pause(error)
        finally:
            self._connecting = None
        self._flush_or_release()

    def _flush_or_release(self) -> None:
        if self._lines is not None:
            self._flush()
            return
        _release([*self._answers, *(answer for _, answer in self._told)])
        self._keys, self._answers, self._told = [], [], []

    def fail(self, lines: _Lines, error: Exception) -> None:
        """End a connection; an answer that is on its way must not be taken for the next one's."""
        if lines is not self._lines:
            return
        self._lines = self._connection = None
        if self._watch is not None:  # the next connection has a watch of its own
            self._watch.cancel()
            self._watch = None
        self._pause(error)
        lines.end()
        self._flush_or_release()

    def _pause(self, error: Exception) -> None:
        self._paused_until_s = time.monotonic() + PAUSE_AFTER_FAULT_S
        get_logger().info("shared cache is away; going without", error=f"{type(error).__name__}: {error}"[:200])

    async def close(self) -> None:
        """Close the connection; whoever waits gets nothing."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait((self._connecting,))
        if self._watch is not None:
            self._watch.cancel()
        lines, self._lines, self._connection = self._lines, None, None
        if lines is not None:
            lines.end()
        self._flush_or_release()


def _packed(*words: str | bytes | int) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub names a tuple of one
    return packed


def _release(answers: list[_Answer]) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(None)
