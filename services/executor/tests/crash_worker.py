"""An executor that dies: forked from a process that has imported everything, killed at the k-th point of its way.

Points are every suspension of every task it makes, every resumption, and every message before and after it is handed
to the connection. At a point it kills itself, or the broker, or stops until somebody wakes it. Run as a program it is
the zygote: one JSON command a line in, one JSON report a line out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).parent))

from change_scene import CHANGE, PROBE, Scene
from crash_bugs import BUGS
from nats.errors import Error as NatsError
from opswire.chassis.errors import RetryableError
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import Publisher
from opswire.chassis.sending import Sender
from opswire.chassis.wire import WireClient
from opswire.contracts.plan_made import Step
from opswire.contracts.routes import FACTS
from opswire.executor.rules.tools import Judgement, ToolCall, ToolResult, Verdict
from opswire.executor.usecases.story import Key

GRACE_NS = 150_000_000
WORK_TIMEOUT_S = 90.0
AGAIN_S = 0.05
ENDED = "ended"
Result = TypeVar("Result")


class Meter:
    """Counts points, and at one of them sends a signal to a process: this one, or the broker."""

    def __init__(self, at: int, process: int, what: int) -> None:
        self.at = at
        self.process = process
        self.what = what
        self.count = 0
        self.is_armed = False

    def tick(self) -> None:
        """One point."""
        if not self.is_armed:
            return
        self.count += 1
        if self.count == self.at:
            with contextlib.suppress(ProcessLookupError):  # another executor was quicker with the broker
                os.kill(self.process, self.what)


class Counted:
    """A coroutine whose suspensions and resumptions are points."""

    def __init__(self, work: Coroutine[Any, Any, Any], meter: Meter) -> None:
        self._work = work
        self._meter = meter

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waited = self._work.send(value) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            self._meter.tick()
            try:
                value, error = (yield waited), None
            except BaseException as thrown:  # noqa: BLE001  handed to the coroutine, as a task does
                value, error = None, thrown
            self._meter.tick()


def count_everything(client: WireClient, meter: Meter) -> None:
    """From now on every new task and every message has its points."""

    async def counted(work: Coroutine[Any, Any, Any]) -> Any:
        return await Counted(work, meter)

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        return asyncio.Task(counted(work), loop=loop, **more)

    asyncio.get_running_loop().set_task_factory(factory)
    send, ask = client.publish_now, client.publish

    def publish_now(*given: Any) -> None:
        meter.tick()
        send(*given)
        meter.tick()

    async def publish(*given: Any, **more: Any) -> None:
        meter.tick()
        await ask(*given, **more)
        meter.tick()

    client.publish_now = publish_now  # type: ignore[method-assign]
    client.publish = publish  # type: ignore[method-assign]
    meter.is_armed = True


def effects_on_disk(scene: Scene, path: Path, lasting_s: float) -> None:
    """Tools whose effects outlive the process: a line of the file for each time that one was done, another at its end.

    Each is at its asset for `lasting_s` seconds.
    """

    async def change(call: ToolCall) -> ToolResult:
        await asyncio.sleep(0)
        append(path, f"{call.context.request_id} {call.step.number}")
        try:
            await asyncio.sleep(lasting_s)
        finally:
            append(path, f"{call.context.request_id} {call.step.number} {ENDED}")
        return ToolResult(({"done": True},))

    async def probe(call: ToolCall) -> ToolResult:
        done = f"{call.context.request_id} {call.step.number}\n" in path.read_text()
        verdict = Verdict(Judgement.PASS if done else Judgement.FAIL, "seen" if done else "not seen")
        return ToolResult((), verdict=verdict)

    scene.tools[CHANGE], scene.tools[PROBE] = change, probe


def append(path: Path, line: str) -> None:
    """Add a line to a file that several processes write: whole, and after what stands there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


async def patiently(work: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat it while the broker is away, as a message is delivered again."""
    while True:
        try:
            return await work()
        except (RetryableError, NatsError):
            await asyncio.sleep(AGAIN_S)


async def quiet(_: Exception) -> None:
    """A broker that is away is looked for again; nobody is told."""


async def work(command: dict[str, Any]) -> None:
    """Proceed with one request until it has its outcome, or people are waited for; tell the points, and end."""
    client = WireClient()
    await client.connect(command["url"], max_reconnect_attempts=-1, reconnect_time_wait=AGAIN_S, error_cb=quiet)
    publisher = Publisher(client)
    await publisher.start()
    sender = Sender("executor", client, publisher, Facts(client, publisher, FACTS))

    async def request_json(subject: str, body: object) -> dict[str, Any]:
        reply = await client.request(subject, json.dumps(body).encode(), timeout=5)
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    bus = SimpleNamespace(client=client, request_json=request_json)
    service: Any = SimpleNamespace(bus=bus, sender=sender)
    scene = Scene(service, Path(command["directory"]), keys=command["seeds"])
    scene.high_water.load()
    scene.modes.mode = "normal"
    effects_on_disk(scene, Path(command["effects"]), command["lasting_s"])
    for name, value in (("grace_ns", GRACE_NS), ("publishing_ns", GRACE_NS)):
        object.__setattr__(scene.proceed.executor.claimed, name, value)
    key = Key("test", command["request_id"])
    scene.plans[key.request_id] = [Step.model_validate(step, strict=False) for step in command["steps"]]
    BUGS[command["bug"]](scene)
    meter = Meter(command["at"], command["process"] or os.getpid(), command["signal"])
    count_everything(client, meter)
    await asyncio.create_task(patiently(lambda: scene.go_on(key)))
    meter.is_armed = False
    Path(command["points"]).write_text(str(meter.count))
    os._exit(0)  # its work is done: a connection that would still be closed in order may be one to a dead broker


def child(command: dict[str, Any]) -> None:
    """The forked process. Never returns."""
    os.dup2(2, 1)  # standard output is the zygote's, for reports; loggers write there too
    status = 0
    try:

        async def limited() -> None:
            async with asyncio.timeout(WORK_TIMEOUT_S):
                await work(command)

        asyncio.run(limited())
    except BaseException:  # noqa: BLE001  told to the zygote's parent
        sys.stderr.write(f"{traceback.format_exc()}\n")
        sys.stderr.flush()
        status = 1
    os._exit(status)


def zygote() -> None:
    """Fork a worker for each line, or wake one that stopped; report every end and stop. Ends with standard input."""
    reading, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    running: dict[int, int] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0, reading], [], [])
        if reading in ready:
            os.read(reading, 4_096)
        if 0 in ready:
            given = os.read(0, 1_000_000)
            if not given:
                return
            *lines, rest = (rest + given).split(b"\n")
            for line in lines:
                _begin(json.loads(line), running)
        _report(running)


def _begin(command: dict[str, Any], running: dict[int, int]) -> None:
    if "wake" in command:
        process = next(process for process, number in running.items() if number == command["wake"])
        os.kill(process, signal.SIGCONT)
        return
    process = os.fork()
    if process == 0:
        signal.set_wakeup_fd(-1)
        child(command)
    running[process] = command["id"]


def _report(running: dict[int, int]) -> None:
    while running:
        process, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if process == 0:
            return
        if os.WIFSTOPPED(status):
            report = {"id": running[process], "status": -signal.SIGSTOP}
        else:
            report = {"id": running.pop(process), "status": os.waitstatus_to_exitcode(status)}
        os.write(1, json.dumps(report).encode() + b"\n")


if __name__ == "__main__":
    zygote()
