"""Fills the caches by sending common requests, a few at a time, as anybody would send them.

It is the bulk lane of these requests: what waits lies in the run's own table and never in the broker, where an
interactive request would wait behind it, and whoever sends rests after each for as long as it took. The slower the
services are, the more they are left to others.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opswire.cache.errors import WarmingError
from opswire.chassis.errors import OpswireError

FAILURES_IN_A_ROW_MAX = 20
REST_S_MAX = 1.0
Rest = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `state` is idle, running, done or stopped; of `done`, `completed` ended so."""

    state: str
    run_id: str = ""
    total: int = 0
    done: int = 0
    completed: int = 0
    started_ns: int = 0
    last_error: str = ""


class Runs(Protocol):
    """Where the run is kept: one at a time. Its methods raise OSError."""

    async def begin(self, run_id: str, texts: Sequence[str], started_ns: int) -> None:
        """Keep a new run instead of the last."""

    async def pending(self) -> list[tuple[int, str]]:
        """Places and texts that are not done yet."""

    async def done(self, run_id: str, place: int, status: str) -> None:
        """Note one as done."""

    async def set_state(self, state: str, last_error: str = "") -> None:
        """Note how the run stands."""

    async def progress(self) -> Progress:
        """How the run stands."""


class Requests(Protocol):
    """Sends one request and waits for its one outcome."""

    async def status_of(self, request_id: str, text: str) -> str:
        """How it ended. The same id again is answered with the same outcome. Raises RetryableError."""


class Warmer:
    """One run at a time; after a restart the interrupted one goes on."""

    def __init__(self, runs: Runs, requests: Requests, concurrency_max: int, rest: Rest = asyncio.sleep) -> None:
        """`rest` takes seconds."""
        self._runs = runs
        self._rest = rest
        self._requests = requests
        self._concurrency_max = concurrency_max
        self._task: asyncio.Task[None] | None = None

    async def begin(self, texts: Iterable[str]) -> Progress:
        """Begin a run over `texts`, each once. Raises WarmingError when one is under way, or without any text."""
        self._refuse_while_running()
        wanted = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
        if not wanted:
            raise WarmingError("there is no request to warm with: give some, ask for recent ones, or set a list")
        run_id = secrets.token_hex(8)
        await self._runs.begin(run_id, wanted, time.time_ns())
        return await self._go()

    async def resume(self) -> Progress:
        """Go on with the run that was stopped. Raises WarmingError when one is under way or nothing is left of it."""
        self._refuse_while_running()
        if not await self._runs.pending():
            raise WarmingError("no run was stopped before its end")
        return await self._go()

    async def go_on_after_restart(self) -> None:
        """Go on with a run that the last life of this process left unfinished."""
        if (await self._runs.progress()).state == "running":
            await self._go()

    async def progress(self) -> Progress:
        """How far the latest run is."""
        return await self._runs.progress()

    async def stop(self) -> None:
        """End this life's work; what is left is done by the next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def _refuse_while_running(self) -> None:
        if self._task is not None and not self._task.done():
            raise WarmingError("a warming run is under way: wait for its end")

    async def _go(self) -> Progress:
        await self._runs.set_state("running")
        self._task = asyncio.create_task(self._run(), name="warming")
        return await self._runs.progress()

    async def _run(self) -> None:
        run_id = (await self._runs.progress()).run_id
        queue = list(reversed(await self._runs.pending()))
        workers = [self._work(run_id, queue) for _ in range(self._concurrency_max)]
        errors = [error for error in await asyncio.gather(*workers) if error]
        await self._runs.set_state("stopped" if errors else "done", errors[0] if errors else "")

    async def _work(self, run_id: str, queue: list[tuple[int, str]]) -> str:
        """Send what the queue holds; answers why it ended early, or nothing."""
        failures = 0
        while queue:
            place, text = queue.pop()
            begun_s = time.monotonic()
            try:
                status = await self._requests.status_of(f"{run_id}-{place}", text)
                failures = 0
            except OpswireError as error:
                failures += 1
                status = error.code
                if failures >= FAILURES_IN_A_ROW_MAX:
                    return f"{failures} requests in a row found no outcome: {error}"
            try:
                await self._runs.done(run_id, place, status)
            except OSError as error:
                return str(error)
            await self._rest(min(time.monotonic() - begun_s, REST_S_MAX))
        return ""
