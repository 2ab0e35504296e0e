"""Keeps children alive: starts them, restarts a crashed one on the same port with growing pauses, ends all in order.

Neither a full disk nor a fault in here ends the watching: what cannot be written down is said on the console.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opswire.chassis.embedded.process import log_tail
from opswire.cli.children import POLL_S, Child
from opswire.cli.errors import CommandError
from opswire.cli.processes import started_at
from opswire.cli.state import ChildRecord, RunRecord, StateDir

# Asked every two seconds whether it lives; a probe waits two more. After five in a row, 10 to 20 s, it is ended.
LIVE_INTERVAL_S = 2.0
LIVE_MISSES_MAX = 5
READY_TIMEOUT_S = 60.0
TERM_TIMEOUT_S = 15.0
KILL_TIMEOUT_S = 5.0
PAUSE_FIRST_S = 0.2
PAUSE_MAX_S = 10.0
HEALTHY_AFTER_S = 30.0
EVENTS_BYTES_MAX = 16_777_216
WRITE_AGAIN_S = 2.0

Report = Callable[[dict[str, Any]], None]
Prepare = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Kept:
    """A child under supervision."""

    child: Child
    record: ChildRecord
    launched: float = 0.0
    pause_s: float = PAUSE_FIRST_S
    prepare: Prepare | None = None
    watcher: asyncio.Task[None] | None = None

    def next_pause_s(self) -> float:
        """How long to wait before the next start: doubled at each crash, small again after 30 s of health."""
        if time.monotonic() - self.launched > HEALTHY_AFTER_S:
            self.pause_s = PAUSE_FIRST_S
        pause_s, self.pause_s = self.pause_s, min(self.pause_s * 2, PAUSE_MAX_S)
        return pause_s


class Supervisor:
    """Owns the children of one `up`, its `run.json` and its `events.jsonl`."""

    def __init__(self, state: StateDir, record: RunRecord, report: Report) -> None:
        """`report` hears every event, for the console."""
        self._state = state
        self._record = record
        self._report = report
        self._kept: list[Kept] = []
        self._stopping = asyncio.Event()
        self._rewriting: asyncio.Task[None] | None = None

    async def start(self, child: Child, prepare: Prepare | None = None, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start a child, wait until it answers, and keep it from then on.

        `prepare` runs whenever it answers after a start, this one and every later one; it may raise CommandError.
        Raises CommandError when it ended or stayed silent at this first start: a fault to look at, not to repeat.
        """
        log = str(child.log)
        record = ChildRecord(child.name, ports=child.ports, ready_url=child.ready_url, log=log)
        kept = Kept(child, record, prepare=prepare)
        self._kept.append(kept)
        self._record.children.append(kept.record)
        self._launch(kept)
        if not await self._ready(kept, timeout_s):
            what = "does not answer" if child.running else f"ended with status {child.process.returncode}"
            raise CommandError(f"{child.name} {what}; {log} ends with:\n{log_tail(child.log)}", "opswire doctor")
        if prepare is not None:
            await prepare()
        kept.record.ready = True
        self._write()
        self._tell("ready", kept, seconds=round(time.monotonic() - kept.launched, 3))
        self._watch(kept)

    def set_phase(self, phase: str) -> None:
        """Write down how far the whole is: starting, ready or stopping."""
        self._record.phase = phase
        self._write()

    async def stop(self, order: Sequence[Sequence[str]]) -> None:
        """End the children, one group of names after the other; those not named come first. Nothing is left behind."""
        self._stopping.set()
        self.set_phase("stopping")
        for kept in self._kept:
            if kept.watcher is not None:
                kept.watcher.cancel()
        if self._rewriting is not None:
            self._rewriting.cancel()
        named = {name for group in order for name in group}
        first = [kept.child for kept in self._kept if kept.child.name not in named]
        groups = [first, *([kept.child for kept in self._kept if kept.child.name in group] for group in order)]
        for group in groups:
            await end_all(group)

    def kill(self) -> None:
        """End every child at once (SIGKILL)."""
        for kept in self._kept:
            with contextlib.suppress(ProcessLookupError, RuntimeError):
                kept.child.send(signal.SIGKILL)

    def _launch(self, kept: Kept) -> None:
        kept.child.launch()
        kept.launched = time.monotonic()
        kept.record.pid = kept.child.pid
        kept.record.started = started_at(kept.child.pid)
        kept.record.launched_ns = time.time_ns()
        kept.record.ready = False
        self._write()

    async def _ready(self, kept: Kept, timeout_s: float) -> bool:
        while not await kept.child.answers():  # asked once in any case: a fault may have taken the time
            if not kept.child.running or time.monotonic() - kept.launched > timeout_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _watch(self, kept: Kept, after_s: float = 0.0) -> None:
        """Watch a child from now on, or after a pause."""
        kept.watcher = asyncio.create_task(self._keep(kept, after_s), name=f"keep {kept.child.name}")
        kept.watcher.add_done_callback(lambda watcher: self._on_watcher_done(kept, watcher))

    def _on_watcher_done(self, kept: Kept, watcher: asyncio.Task[None]) -> None:
        """A watcher ends only with the run. Anything else is a fault in it: said with its trace, and watched again."""
        if watcher.cancelled() or self._stopping.is_set():
            return
        error = watcher.exception()
        if error is None:
            return
        message = f"watching {kept.child.name} failed"
        watcher.get_loop().call_exception_handler({"message": message, "exception": error, "task": watcher})
        self._watch(kept, kept.next_pause_s())
        self._tell("fault", kept, reason=f"{type(error).__name__}: {error}")

    async def _keep(self, kept: Kept, after_s: float) -> None:
        """Until the end of the run: wait for the child's end, say so, start it again."""
        await asyncio.sleep(after_s)
        while not self._stopping.is_set():
            try:
                await self._keep_once(kept)
            except OSError as error:
                pause_s = kept.next_pause_s()
                self._tell("fault", kept, reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(pause_s)

    async def _keep_once(self, kept: Kept) -> None:
        """See one child through its end to its next start; begins wherever a fault interrupted the last time."""
        if kept.record.ready or not kept.child.running:
            status = await self._ended_or_stuck(kept)
            pause_s = kept.next_pause_s()
            kept.record.ready = False
            self._write()
            self._tell("ended", kept, status=status, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            kept.record.restarts += 1
            try:
                self._launch(kept)
            except OSError as error:
                self._tell("not started", kept, reason=str(error))
                return
        await self._see_ready(kept)

    async def _ended_or_stuck(self, kept: Kept) -> int:
        """Its exit status once it ended, by itself or by us: one that says nothing for long would hold its requests."""
        misses = 0
        while kept.child.running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIVE_INTERVAL_S):
                    return await kept.child.ended()
            misses = 0 if await kept.child.is_live() else misses + 1
            if misses >= LIVE_MISSES_MAX and kept.child.running:
                self._tell("stuck", kept, silent_probes=misses)
                kept.child.send(signal.SIGKILL)
        return await kept.child.ended()

    async def _see_ready(self, kept: Kept) -> None:
        """After a start that was not the first: wait until the child answers, and end one that stays silent."""
        if await self._ready(kept, READY_TIMEOUT_S):
            await self._prepare(kept)
            kept.record.ready = True
            self._write()
            self._tell("restarted", kept, seconds=round(time.monotonic() - kept.launched, 3))
        elif kept.child.running:
            self._tell("silent", kept, after_s=READY_TIMEOUT_S)
            kept.child.send(signal.SIGKILL)
            await kept.child.ended()

    async def _prepare(self, kept: Kept) -> None:
        """What the restart needs besides; where that fails the child runs on, and people are told."""
        if kept.prepare is None:
            return
        try:
            await kept.prepare()
        except CommandError as error:
            self._tell("not prepared", kept, reason=str(error))

    def _write(self) -> None:
        """Write `run.json`; where that fails it is said, and tried again until it succeeds."""
        if self._rewriting is not None and not self._rewriting.done():
            return  # it writes what is true by then
        try:
            self._state.write_run(self._record)
        except OSError as error:
            self._say("not written", path=str(self._state.run_file), reason=str(error))
            self._rewriting = asyncio.create_task(self._write_again(), name="write run.json again")

    async def _write_again(self) -> None:
        while True:
            await asyncio.sleep(WRITE_AGAIN_S)
            with contextlib.suppress(OSError):  # said at the first failure
                self._state.write_run(self._record)
                break
        self._say("written again", path=str(self._state.run_file))

    def _tell(self, event: str, kept: Kept, **details: object) -> None:
        """Write an event down and say it; where it cannot be written it is still said."""
        line = {"at_ns": time.time_ns(), "event": event, "child": kept.child.name, "pid": kept.record.pid, **details}
        path = self._state.events_file
        try:
            if path.exists() and path.stat().st_size > EVENTS_BYTES_MAX:
                path.replace(path.with_suffix(".old.jsonl"))
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            self._say("not written", path=str(path), reason=str(error))
        self._hear(line)

    def _say(self, event: str, **details: object) -> None:
        """Say what is of no child and not written down."""
        self._hear({"at_ns": time.time_ns(), "event": event, **details})

    def _hear(self, line: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the console may lie on the same full disk
            self._report(line)


async def end_all(children: Sequence[Child], timeout_s: float = TERM_TIMEOUT_S) -> None:
    """Ask all to end at once, wait, and kill whichever is left after `timeout_s`."""
    for child in children:
        child.send(signal.SIGTERM)
    give_up = time.monotonic() + timeout_s
    while any(child.running for child in children) and time.monotonic() < give_up:  # noqa: ASYNC110  see Child.ended
        await asyncio.sleep(POLL_S)
    for child in children:
        child.send(signal.SIGKILL)
    for child in children:
        await asyncio.wait_for(child.ended(), KILL_TIMEOUT_S)
