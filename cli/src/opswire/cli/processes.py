"""What the system knows about a process: is it still the same one, how much memory does it hold."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_S = 0.05


def started_at(pid: int) -> str | None:
    """A text that differs between two processes that had the same id, or None when no such process runs."""
    if sys.platform.startswith("linux"):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # Field 3 is the state (a zombie has ended), field 22 the start in clock ticks since boot.
        return None if fields[0] in "ZX" else fields[19]
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def is_same(pid: int, started: str | None) -> bool:
    """Whether the process that was noted still runs; a later one with its id is not it."""
    return started is not None and started_at(pid) == started


def memory_mb(pid: int) -> float | None:
    """Memory of a process in MB; shared pages counted in part where the system tells (PSS), whole otherwise (RSS)."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    found = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(found.stdout) / 1024 if found.stdout.strip().isdigit() else None


def memory_of_session_mb(leader: int) -> float | None:
    """Memory in MB of a process and of what it started in its session: a model server is three processes."""
    own = memory_mb(leader)
    others = [memory_mb(pid) for pid in _members_of_session(leader) if pid != leader]
    return None if own is None else own + sum(memory for memory in others if memory is not None)


def _members_of_session(leader: int) -> list[int]:
    """Linux only; elsewhere nobody is found."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            # After the name in brackets: state, parent, group, session.
            if int(path.read_text().rsplit(")", 1)[1].split()[3]) == leader:
                found.append(int(path.parent.name))
    return found


def send(pid: int, started: str | None, number: signal.Signals) -> bool:
    """Send a signal to a process if it is still the one that was noted; tell whether it was."""
    if not is_same(pid, started):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_gone(pid: int, started: str | None, timeout_s: float) -> bool:
    """Wait until a process that is not our child has ended; False when it still runs after `timeout_s`."""
    give_up = time.monotonic() + timeout_s
    while is_same(pid, started):
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_S)
    return True
