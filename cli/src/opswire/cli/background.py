"""Looking at and ending an `up` from another process."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import time
from dataclasses import asdict
from typing import Any

from opswire.chassis.embedded.process import log_tail
from opswire.cli.children import answers_at
from opswire.cli.errors import CommandError, NotRunningError
from opswire.cli.processes import POLL_S, is_same, memory_of_session_mb, send, started_at, wait_gone
from opswire.cli.running import background_arguments, lab_down
from opswire.cli.stack import Wishes
from opswire.cli.state import RunRecord, StateDir

START_TIMEOUT_S = 120.0
START_WITH_MODEL_TIMEOUT_S = 300.0
DOWN_TIMEOUT_S = 60.0
KILL_TIMEOUT_S = 10.0
RECORD_TIMEOUT_S = 10.0


def start_behind(state: StateDir, wishes: Wishes) -> tuple[RunRecord, float]:
    """Start the supervisor in a session of its own and return when it is ready, with the seconds it took.

    Raises CommandError with the end of its log when it ended or took longer than two minutes, five with a model.
    """
    began = time.monotonic()
    timeout_s = START_TIMEOUT_S if wishes.model is None else START_WITH_MODEL_TIMEOUT_S
    log = state.logs / "supervisor.log"
    with log.open("wb") as output:
        # No tie to our life, unlike its own children: it shall outlive this command.
        process = subprocess.Popen(
            background_arguments(state, wishes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while time.monotonic() - began < timeout_s:
        record = state.read_run()
        if record is not None and record.alive and record.phase == "ready":
            return record, time.monotonic() - began
        if process.poll() is not None:
            raise CommandError(f"the start failed; {log} ends with:\n{log_tail(log, 12)}", "opswire doctor")
        time.sleep(POLL_S)
    process.terminate()
    raise CommandError(f"not ready after {timeout_s:g} s; {log} ends with:\n{log_tail(log, 12)}", "opswire doctor")


def wait_record(state: StateDir) -> RunRecord:
    """What runs under the lock that another process holds; its record may appear a moment after the lock."""
    give_up = time.monotonic() + RECORD_TIMEOUT_S
    while time.monotonic() < give_up:
        record = state.read_run()
        if record is not None and record.alive:
            return record
        time.sleep(POLL_S)
    raise NotRunningError(f"another opswire holds {state.path} and does not say what it runs", "opswire down")


def take_down(state: StateDir) -> list[str]:
    """End the supervisor and wait; then end what is left of its children. The names of what ran before.

    Raises CommandError where the record is there and cannot be read: what runs is then not known.
    """
    record = state.read_run()
    if record is None:
        if state.run_file.exists():
            raise _damaged(state)
        return []
    ran = [child.name for child in record.children if is_same(child.pid, child.started)]
    if send(record.pid, record.started, signal.SIGTERM):
        ran.append("supervisor")
        if not wait_gone(record.pid, record.started, DOWN_TIMEOUT_S):
            send(record.pid, record.started, signal.SIGKILL)
            wait_gone(record.pid, record.started, KILL_TIMEOUT_S)
    elif record.lab:
        lab_down(state)
    # Where the supervisor was killed before it could end them (and the system does not do it, as on macOS).
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [child for child in record.children if send(child.pid, child.started, number)]
        for child in left:
            wait_gone(child.pid, child.started, KILL_TIMEOUT_S)
    state.run_file.unlink(missing_ok=True)
    return ran


def _damaged(state: StateDir) -> CommandError:
    """Names what the rest of the record still names. None of it is ended: another process may have such a pid now."""
    text = state.run_file.read_text("utf-8", "replace")
    # As `asdict` wrote it: the supervisor's pid comes first, a child's after its name.
    named = re.findall(r'^{\s*()"pid": (\d{1,10})\b', text)
    named += re.findall(r'"name": "([a-z0-9-]{1,40})",\s*"pid": (\d{1,10})\b', text)
    runs = [f"{name or 'supervisor'} {pid}" for name, pid in named if started_at(int(pid)) is not None]
    told = f"; of those that it still names there are {', '.join(runs)}" if runs else ""
    ending = "end these pids, the supervisor first" if runs else "end what runs here (ps -ef | grep opswire)"
    return CommandError(
        f"{state.run_file} is damaged, so what runs here is not known{told}",
        f"{ending}, then remove {state.run_file}",
    )


async def live_status(record: RunRecord) -> list[dict[str, Any]]:
    """Each child as it is now: alive, ready, uptime in seconds, memory in MB."""
    return list(await asyncio.gather(*(_child_status(asdict(child)) for child in record.children)))


async def _child_status(child: dict[str, Any]) -> dict[str, Any]:
    alive = is_same(child["pid"], child["started"])
    ready = alive and child["ready"]
    if alive and child["ready_url"] is not None:
        ready = await answers_at(child["ready_url"])
    memory = memory_of_session_mb(child["pid"]) if alive else None
    return {
        "name": child["name"],
        "pid": child["pid"],
        "alive": alive,
        "ready": ready,
        "uptime_s": round((time.time_ns() - child["launched_ns"]) / 1e9, 1) if alive else None,
        "restarts": child["restarts"],
        "memory_mb": None if memory is None else round(memory, 1),
        "ports": child["ports"],
        "log": child["log"],
    }
