"""Headless Chromium, driven over its debugging pipe: for the tests that look at pages as people do."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from opswire.chassis.testing.waiting import wait_until

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "no Chromium here; install it with: apt-get install chromium"
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


def installed_browser() -> str | None:
    """The path of a Chromium, where there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name)) is not None), None)


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
