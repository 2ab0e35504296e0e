"""A cache service on a real broker, asked over HTTP, and a real browser that looks at its page."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from opswire.cache.app import create_app
from opswire.cache.settings import CacheSettings
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from opswire.chassis.testing.waiting import until_told, wait_until
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import CacheStatistics, FamilyCounts, KeyHits
from opswire.contracts.routes import CACHE_STATISTICS_REPORTED
from pydantic import SecretStr

TOKEN = "token-of-a-test"
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)

# Chromium finds its ends of the pipes at 3 and 4.
WITH_PIPES = """import os, sys
reads, writes = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))
for wanted, given in ((3, reads), (4, writes)):
    os.dup2(given, wanted)
    os.set_inheritable(wanted, True)
os.execvp(sys.argv[3], sys.argv[3:])"""


@dataclass(slots=True)
class Running:
    """The service, and calls to it beside the loop."""

    service: Service
    token: str = TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.http_port}"

    async def call(self, method: str, path: str, body: object = None, token: str | None = TOKEN) -> tuple[int, Any]:
        """Status and JSON of one answer; `body` may be bytes or what becomes JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await asyncio.to_thread(
            _asked, urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        )

    async def until(self, path: str, is_there: Callable[[Any], bool]) -> Any:
        """The answer of `path` once it is as wanted. Raises TimeoutError."""
        last: list[Any] = []

        async def answers() -> bool:
            last[:] = [(await self.call("GET", path))[1]]
            return is_there(last[0])

        await until_told(answers)
        return last[0]


def _asked(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def make_settings(nats_server: NatsServer, tmp_path: Path) -> Callable[..., CacheSettings]:
    """Settings for a service on the test's broker."""

    def make(**more: Any) -> CacheSettings:
        return CacheSettings(
            nats_url=nats_server.url, http_token=SecretStr(TOKEN), state_dir=tmp_path / "state", **more
        )

    return make


@pytest_asyncio.fixture
async def start_cache(make_settings: Callable[..., CacheSettings]) -> AsyncIterator[Callable[..., Any]]:
    """Starts cache services; stops those that the test has not stopped."""
    running: list[Service] = []

    async def start(**more: Any) -> Running:
        service = create_app(make_settings(**more))
        await service.start()
        running.append(service)
        return Running(service)

    yield start
    for service in running:
        if not service._stop.is_set():
            await service.stop()


@pytest.fixture
def as_running() -> Callable[[Service], Running]:
    """Calls to a service that a test made itself."""
    return Running


@pytest_asyncio.fixture
async def cache_service(start_cache: Callable[..., Any]) -> Running:
    """A running cache service without an inventory."""
    found: Running = await start_cache()
    return found


@pytest_asyncio.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A plain client of the broker."""
    connection = await nats.connect(nats_server.url)
    yield connection
    await connection.close()


@pytest.fixture
def tell(client: Client) -> Callable[..., Any]:
    """Speaks as a process that caches."""

    async def tell_as(holder_id: str, hits: int, misses: int, key: str = "web-01", **more: Any) -> None:
        family = FamilyCounts(family="named", memory_hits=hits, misses=misses, fills=misses)
        cache = CacheStatistics(
            cache=more.pop("cache", "context"),
            is_on=more.pop("is_on", True),
            entries=3,
            bytes=1_200,
            oldest_age_s=5.0,
            families=[family],
            top_keys=[KeyHits(key=key, hits=hits)],
            **{name: more.pop(name) for name in ("checked", "wrong", "off_reason") if name in more},
        )
        report = CacheStatisticsReported(
            holder_id=holder_id,
            service="assets",
            started_ns=more.pop("started_ns", time.time_ns()),
            applied=7,
            inside_lease=more.pop("inside_lease", True),
            caches=[cache],
            at_ns=time.time_ns(),
        )
        await client.publish(CACHE_STATISTICS_REPORTED.subject(holder_id=holder_id), report.to_bytes())
        await client.flush()

    return tell_as


class Browser:
    """Headless Chromium over its debugging pipe: two file descriptors, no port, no driver."""

    def __init__(self, program: str, profile: Path) -> None:
        reads, self._out = os.pipe()
        self._in, writes = os.pipe()
        arguments = [program, *CHROMIUM_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", WITH_PIPES, str(reads), str(writes), *arguments],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(reads)
        os.close(writes)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.enable")
        self.send("Runtime.enable")
        self.complaints: list[str] = []

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its result. Raises RuntimeError when the browser refuses or ends."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(answer["params"])[:500])
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._in, 1 << 16)
            if not chunk:
                raise RuntimeError("the browser ended")
            self._buffer += chunk
        body, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(body))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, promises awaited. Raises RuntimeError with its error."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 30) -> Any:
        """Its value once that is true. Raises TimeoutError with the page's text."""
        found: list[Any] = []

        def holds() -> bool:
            found[:] = [self.evaluate(expression)]
            return bool(found[0])

        def how_it_stands() -> str:
            return f"{expression} stays false; the page says: {self.evaluate('document.body.innerText')}"

        wait_until(holds, how_it_stands, timeout_s)
        return found[0]

    def open(self, url: str, wide: int = 1_200, high: int = 1_500, scheme: str = "light") -> None:
        """Show a page in a window of this size and colour scheme."""
        self.send("Log.enable")
        self.send("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Page.navigate", url=url)

    def screenshot(self, path: Path) -> bytes:
        """A PNG of the window, kept at `path` too."""
        body = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(body)
        return body

    def key(self, name: str) -> None:
        """Press one key."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=9)

    def close(self) -> None:
        """End it and all that it started."""
        for descriptor in (self._out, self._in):
            os.close(descriptor)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser with a fresh profile."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; install it with: apt-get install chromium")
    found = Browser(program, tmp_path / "browser")
    yield found
    found.close()
