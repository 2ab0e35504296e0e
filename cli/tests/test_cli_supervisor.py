"""The supervisor with small real programs: a crash is repaired on the same port, and nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.testing.waiting import until
from opswire.cli.children import Child, ProgramChild, ServerChild, answers_at
from opswire.cli.errors import CommandError
from opswire.cli.processes import is_same, started_at
from opswire.cli.state import RunRecord, StateDir
from opswire.cli.supervisor import Supervisor
from opswire.cli.views.running import Narrator
from rich.console import Console

WAIT_S = 20

# Answers /health/ready on its port, and ends in order on SIGTERM, writing so.
SERVICE = """
import http.server, signal, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200 if self.path in ("/health/ready", "/health/live") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
def drain(*_):
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, drain)
server.serve_forever()
with open(sys.argv[2], "a") as file: file.write(sys.argv[3] + "\\n")
"""


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
SLEEPER = "import time; time.sleep(600)"


class Whole:
    """A supervisor, what it reported, and a way to wait for a report."""

    def __init__(self, state: StateDir) -> None:
        self.state = state
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        record = RunRecord(os.getpid(), started_at(os.getpid()), "starting", 0)
        self.said = io.StringIO()
        self.narrator = Narrator(Console(file=self.said, soft_wrap=True), as_json=False)
        self.supervisor = Supervisor(state, record, self.report)

    def report(self, event: dict[str, Any]) -> None:
        """Hear an event, and say it as the console does."""
        self.narrator.event(event)
        self.events.put_nowait(event)

    async def event(self, kind: str) -> dict[str, Any]:
        """The next report of this kind."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self.events.get()
                if found["event"] == kind:
                    return found

    def service(self, name: str) -> ProgramChild:
        """A small service of that name on a free port."""
        port = free_port()
        arguments = [sys.executable, "-c", SERVICE, str(port), str(self.ends), name]
        url = f"http://127.0.0.1:{port}/health/ready"
        return ProgramChild(name, arguments, self.state.log(name), dict(os.environ), {"http": port}, url)

    @property
    def ends(self) -> Path:
        """Where the small services write that they ended in order."""
        return self.state.path / "ends.txt"


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    state = StateDir(tmp_path / "state")
    state.prepare()
    found = Whole(state)
    yield found
    found.supervisor.kill()


async def gone(pid: int, started: str | None) -> None:
    """Wait until a process has ended: it is not our child, and the system gives no event for it everywhere."""
    await until(lambda: not is_same(pid, started), WAIT_S)


async def test_a_crashed_program_comes_back_on_its_port_and_is_reported(whole: Whole) -> None:
    child = whole.service("small")
    await whole.supervisor.start(child)
    assert (await whole.event("ready"))["child"] == "small"
    first = child.pid
    child.send(signal.SIGKILL)
    ended = await whole.event("ended")
    assert (ended["status"], ended["pid"]) == (-signal.SIGKILL, first)
    again = await whole.event("restarted")
    assert again["pid"] == child.pid != first
    assert child.ready_url is not None
    assert await answers_at(child.ready_url)
    record = whole.state.read_run()
    assert record is not None
    assert (record.children[0].restarts, record.children[0].ready, record.children[0].pid) == (1, True, child.pid)
    lines = [json.loads(line) for line in whole.state.events_file.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["ready", "ended", "restarted"]
    await whole.supervisor.stop([])


async def test_a_program_that_is_stopped_is_ended_and_started_again(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.cli.supervisor.LIVE_INTERVAL_S", 0.1)
    monkeypatch.setattr("opswire.cli.supervisor.LIVE_MISSES_MAX", 2)
    monkeypatch.setattr("opswire.cli.children.PROBE_TIMEOUT_S", 0.2)
    child = whole.service("small")
    await whole.supervisor.start(child)
    first = child.pid
    os.kill(first, signal.SIGSTOP)
    assert (await whole.event("stuck"))["silent_probes"] == 2
    assert (await whole.event("ended"))["status"] == -signal.SIGKILL
    assert (await whole.event("restarted"))["pid"] != first
    await whole.supervisor.stop([])


async def test_a_crashed_server_comes_back_on_its_port(whole: Whole) -> None:
    server = ValkeyServer(whole.state.path / "valkey")
    prepared: list[int] = []

    async def prepare() -> None:
        prepared.append(server.pid)

    await whole.supervisor.start(ServerChild(server, {}), prepare)
    port = server.port
    assert await answers_at(server.url)
    server.process.kill()
    await whole.event("restarted")
    assert server.port == port
    assert server.answers()
    assert prepared[1:] == [server.pid] != prepared[:1]
    await whole.supervisor.stop([])
    assert not server.running
    assert not await answers_at(server.url)


async def test_pauses_between_crashes_grow(whole: Whole) -> None:
    child = whole.service("small")
    await whole.supervisor.start(child)
    pauses = []
    for _ in range(3):
        child.send(signal.SIGKILL)
        pauses.append((await whole.event("ended"))["again_in_s"])
        await whole.event("restarted")
    assert pauses == sorted(set(pauses))
    await whole.supervisor.stop([])


async def test_a_child_is_started_again_although_nothing_can_be_written(whole: Whole) -> None:
    child = whole.service("small")
    await whole.supervisor.start(child)
    for path in (whole.state.run_file, whole.state.events_file):
        path.unlink()
        (path / "in the way").mkdir(parents=True)
    first = child.pid
    child.send(signal.SIGKILL)
    assert (await whole.event("not written"))["path"] == str(whole.state.run_file)
    assert (await whole.event("restarted"))["pid"] == child.pid != first
    assert f"{whole.state.events_file} cannot be written" in whole.said.getvalue()
    for path in (whole.state.run_file, whole.state.events_file):
        (path / "in the way").rmdir()
        path.rmdir()
    await whole.event("written again")
    record = whole.state.read_run()
    assert record is not None
    assert (record.children[0].pid, record.children[0].ready) == (child.pid, True)
    child.send(signal.SIGKILL)
    await whole.event("restarted")
    await whole.supervisor.stop([])


async def test_the_end_comes_although_nothing_can_be_written(whole: Whole) -> None:
    child = whole.service("small")
    await whole.supervisor.start(child)
    whole.state.run_file.unlink()
    (whole.state.run_file / "in the way").mkdir(parents=True)
    await whole.supervisor.stop([])
    assert not child.running


@pytest.mark.parametrize("error", [ValueError("no such thing"), OSError("no room")])
async def test_a_fault_in_the_watching_is_said_and_the_watching_goes_on(
    whole: Whole, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [error]
    prepared = 0

    async def prepare() -> None:
        nonlocal prepared
        prepared += 1
        if prepared > 1 and faults:
            raise faults.pop()

    child = whole.service("small")
    await whole.supervisor.start(child, prepare)
    child.send(signal.SIGKILL)
    assert str(error) in (await whole.event("fault"))["reason"]
    again = await whole.event("restarted")
    assert (again["pid"], prepared) == (child.pid, 3)
    assert f"watching small failed and goes on: {type(error).__name__}" in whole.said.getvalue()
    assert ("Traceback" in caplog.text) == isinstance(error, ValueError)
    child.send(signal.SIGKILL)
    await whole.event("restarted")
    await whole.supervisor.stop([])


async def test_a_line_without_end_is_no_answer() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"x" * 1_000_000)
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert not await answers_at(f"http://127.0.0.1:{port}/health/ready")


async def test_the_end_comes_in_order_and_leaves_nothing(whole: Whole) -> None:
    children = [whole.service(name) for name in ("server", "first", "second")]
    for child in children:
        await whole.supervisor.start(child)
    known = [(child.pid, started_at(child.pid)) for child in children]
    await whole.supervisor.stop([("first",), ("second",), ("server",)])
    assert not any(is_same(*one) for one in known)
    assert whole.ends.read_text().split() == ["first", "second", "server"]


async def test_a_program_that_does_not_end_is_killed(whole: Whole) -> None:
    child = ProgramChild("deaf", [sys.executable, "-c", STUBBORN], whole.state.log("deaf"), dict(os.environ))
    await whole.supervisor.start(child)
    await until(lambda: "deaf" in child.log.read_text(), WAIT_S)
    from opswire.cli.supervisor import end_all

    await end_all([child], timeout_s=0.2)
    assert child.process.returncode == -signal.SIGKILL


async def test_a_program_that_fails_at_the_first_start_is_an_error_with_its_last_words(whole: Whole) -> None:
    arguments = [sys.executable, "-c", "raise SystemExit('no such setting')"]
    child = ProgramChild("broken", arguments, whole.state.log("broken"), dict(os.environ), {}, "http://127.0.0.1:1/")
    with pytest.raises(CommandError, match=r"ended with status 1.*\n.*no such setting"):
        await whole.supervisor.start(child)
    await whole.supervisor.stop([])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
async def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    program = """
import asyncio, os, pathlib, sys
from opswire.cli.children import ProgramChild
from opswire.cli.state import RunRecord, StateDir
from opswire.cli.supervisor import Supervisor
async def main():
    state = StateDir(pathlib.Path(sys.argv[1])); state.prepare()
    supervisor = Supervisor(state, RunRecord(os.getpid(), None, "starting", 0), lambda event: None)
    child = ProgramChild("sleeper", [sys.executable, "-c", sys.argv[2]], state.log("sleeper"), dict(os.environ))
    await supervisor.start(child)
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), SLEEPER, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    started = started_at(pid)
    assert started is not None
    parent.kill()
    await parent.wait()
    await gone(pid, started)
    assert started_at(pid) != started


async def test_the_lock_is_held_by_one(whole: Whole) -> None:
    first = whole.state.lock()
    assert first is not None
    assert whole.state.lock() is None
    os.close(first)
    second = whole.state.lock()
    assert second is not None
    os.close(second)


def test_what_is_private_is_private(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.prepare()
    state.write_run(RunRecord(1, None, "ready", 0, token=state.token()))
    assert state.run_file.stat().st_mode & 0o777 == 0o600
    assert (state.path / "token").stat().st_mode & 0o777 == 0o600
    assert state.path.stat().st_mode & 0o077 == 0
    assert state.read_run() == RunRecord(1, None, "ready", 0, token=state.token())


def test_children_know_when_they_run(whole_child: Child) -> None:
    assert whole_child.running
    whole_child.send(signal.SIGKILL)
    whole_child.process.wait(WAIT_S)
    assert not whole_child.running


@pytest.fixture
def whole_child(tmp_path: Path) -> Child:
    child = ProgramChild(
        "c", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "c.log", dict(os.environ)
    )
    child.launch()
    return child
