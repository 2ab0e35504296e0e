"""A model server that does what a test says: answer, hang, refuse, break off, drip, talk nonsense. Real HTTP, no model.

It runs on a loop and thread of its own, speaks `/v1/chat/completions` and `/v1/messages`, notes every call and how it
ended, and offers conditions to wait for, so that no test sleeps.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self, TypeVar

from opswire.chassis.embedded.ports import free_port
from opswire.chassis.testing.scripted_player import play
from opswire.chassis.testing.scripted_steps import Answer, Body, Step
from opswire.chassis.testing.scripted_wire import HttpRequest, plain, take_request

WAIT_S = 10.0
WRITE_BUFFER_BYTES = 64 * 1024
Result = TypeVar("Result")


class CallEnd(StrEnum):
    """How a call ended, as the server saw it."""

    OPEN = "open"
    PLAYED = "played"
    """The step was played to its end, whatever it was."""
    ABORTED = "aborted"
    """The client closed the connection before that."""
    SHUT = "shut"
    """The server itself went away: `refuse` or the end of the block."""


@dataclass(slots=True)
class ScriptedCall:
    """One call. Times by `time.monotonic()`."""

    number: int
    path: str
    headers: dict[str, str]
    body: Body
    step: Step
    begun_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None
    end: CallEnd = CallEnd.OPEN
    sent_bytes: int = 0


class ScriptedModel:
    """Use it as a context manager; every method may be called from any thread.

    Each call takes the next of the steps given to `then`; when none is left, the one of `always`.
    """

    def __init__(self, always: Step | None = None) -> None:
        """Nothing listens yet."""
        self.port = free_port()
        self.calls: list[ScriptedCall] = []
        self.health_status = 200
        self.health_calls = 0
        self.model_names: list[str] = ["scripted"]
        self._always: Step = always or Answer()
        self._steps: deque[Step] = deque()
        self._changed = threading.Condition()
        self._released = asyncio.Event()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-model", daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything; calls that are open end."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    @property
    def url(self) -> str:
        """Base address for OpenAI-compatible clients."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """Base address for Anthropic's client, and where `/health` is."""
        return f"http://127.0.0.1:{self.port}"

    def then(self, *steps: Step) -> None:
        """What the next calls get, one each."""
        with self._changed:
            self._steps.extend(steps)

    def always(self, step: Step) -> None:
        """What calls get when nothing else is scripted; steps that are still there are forgotten."""
        with self._changed:
            self._steps.clear()
            self._always = step

    def release(self) -> None:
        """Let every call that hangs or drips now go on to its answer."""
        self._on_loop(self._release())

    def refuse(self) -> None:
        """Close every connection and listen no more: the next connection is refused."""
        self._on_loop(self._refuse())

    def listen(self) -> None:
        """Listen, or listen again, on the same port."""
        self._on_loop(self._listen())

    def break_connections(self) -> None:
        """Close every connection, idle or in a call, and go on listening."""
        self._on_loop(self._break_connections())

    @property
    def open_connections(self) -> int:
        """How many connections clients hold open now."""
        return len(self._connections)

    def until(self, holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """Wait until `holds`, asked whenever something changed here. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(holds, timeout_s):
                ends = [f"{call.number}: {call.end}" for call in self.calls[-20:]]
                raise TimeoutError(f"not seen by the scripted model within {timeout_s} s; its last calls: {ends}")

    async def reaches(self, holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """`until`, for a test that runs on a loop."""
        await asyncio.to_thread(self.until, holds, timeout_s)

    async def calls_come(self, count: int, timeout_s: float = WAIT_S) -> None:
        """Wait until `count` calls have come in all."""
        await self.reaches(lambda: len(self.calls) >= count, timeout_s)

    async def call_ends(self, number: int, timeout_s: float = WAIT_S) -> ScriptedCall:
        """Wait until the call of this index has come and ended, and answer it."""
        await self.reaches(lambda: len(self.calls) > number and self.calls[number].end != CallEnd.OPEN, timeout_s)
        return self.calls[number]

    def changed(self) -> None:
        """Wake those who wait. For the connections."""
        with self._changed:
            self._changed.notify_all()

    def begin(self, request: HttpRequest) -> ScriptedCall:
        """Note a call and give it its step. For the connections."""
        with self._changed:
            step = self._steps.popleft() if self._steps else self._always
            call = ScriptedCall(len(self.calls), request.path, request.headers, request.body, step)
            self.calls.append(call)
            self._changed.notify_all()
        return call

    def end(self, call: ScriptedCall, end: CallEnd) -> None:
        """Note how a call ended. For the connections."""
        with self._changed:
            call.end, call.ended_s = end, time.monotonic()
            self._changed.notify_all()

    @property
    def released(self) -> asyncio.Event:
        """Set by the next `release`. For the steps."""
        return self._released

    @property
    def connections(self) -> set[Connection]:
        """Those that are open. For the connections."""
        return self._connections

    def _on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await self._loop.create_server(
                lambda: Connection(self), "127.0.0.1", self.port, reuse_address=True, backlog=1_024
            )

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._break_connections()

    async def _break_connections(self) -> None:
        tasks = [connection.shut() for connection in list(self._connections)]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


class Connection(asyncio.Protocol):
    """One client's connection: one request at a time, kept open between them."""

    def __init__(self, model: ScriptedModel) -> None:
        """Not connected yet."""
        self._model = model
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._is_shut = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._writable.set()
        self._model.connections.add(self)
        self._model.changed()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's interface
        """The client went away, or we closed: whatever is played is over."""
        self._model.connections.discard(self)
        if self._task is not None:
            self._task.cancel()
        self._model.changed()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has read."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        self._buffer += data
        self._next()

    def shut(self) -> asyncio.Task[None] | None:
        """Close at once, without a word; answers what was being played."""
        self._is_shut = True
        self._transport.abort()
        return self._task

    async def send(self, call: ScriptedCall, data: bytes) -> None:
        """Send, and wait while the client does not read. Cancelled when it has gone."""
        if self._transport.is_closing():
            await asyncio.sleep(0)  # the loop's turn to say so: an event that is set would not give it
        self._transport.write(data)
        call.sent_bytes += len(data)
        await self._writable.wait()

    def close(self) -> None:
        """Close after what was written."""
        self._transport.close()

    def reset(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _next(self) -> None:
        if self._task is not None:
            return
        try:
            request = take_request(self._buffer)
        except ValueError:
            self._transport.abort()
            return
        if request is not None:
            self._task = asyncio.get_running_loop().create_task(self._serve(request))
            self._task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._transport.abort()
            raise error
        if not self._transport.is_closing():
            self._next()

    async def _serve(self, request: HttpRequest) -> None:
        if not request.is_call:
            self._transport.write(self._other(request))
            return
        call = self._model.begin(request)
        try:
            await play(self, call, request, self._model)
        except asyncio.CancelledError:
            self._model.end(call, CallEnd.SHUT if self._is_shut else CallEnd.ABORTED)
            raise
        except BaseException:
            self._model.end(call, CallEnd.SHUT)
            raise
        self._model.end(call, CallEnd.PLAYED)

    def _other(self, request: HttpRequest) -> bytes:
        if request.path.endswith("/health"):
            self._model.health_calls += 1
            self._model.changed()
            return plain(self._model.health_status, {})
        if request.path.endswith("/models"):
            names = self._model.model_names
            return plain(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
        return plain(404, {"error": {"message": f"nothing at {request.path}", "type": "invalid_request_error"}})
