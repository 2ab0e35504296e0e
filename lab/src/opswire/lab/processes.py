"""Who is alive and who is ours: locks, pid files and sessions.

A host process leads a session; its supervisor, the supervised services and the commands run over SSH stay in that
session. So the members of the session are exactly what a host may leave behind. Whether the host itself lives is told
by a lock that it holds, never by a pid, which may meanwhile belong to somebody else.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from opswire.lab.errors import LabError

LOCK_ATTEMPTS = 100
LOCK_PAUSE_S = 0.02


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock at `path`."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def take_lock(path: Path) -> IO[bytes]:
    """Hold the lock at `path` until the returned file is closed or the process ends. LabError when it stays taken.

    A status query looks at the lock by holding it for an instant, hence the attempts.
    """
    file = path.open("ab")
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
        else:
            return file
    file.close()
    raise LabError(f"Another process holds {path.name}.")


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep two commands from changing the lab at the same time: the second one waits."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_pid(path: Path) -> int | None:
    """The pid in a pid file; None when there is no such file."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process of this pid exists and has not ended; a zombie has ended.

    Asked through a pidfd: /proc calls a process a zombie as soon as its first thread has ended, when another thread may
    still hold its files and locks.
    """
    descriptor = _open_pidfd(pid)
    if descriptor is not None:
        try:
            return not _has_ended(descriptor, 0)
        finally:
            os.close(descriptor)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _has_ended(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1_000))


def session_members(session: int, directory: Path) -> list[int]:
    """The living processes of a session that work inside `directory`, without the caller.

    The directory guards against a pid that was given anew after a reboot. Needs /proc; empty where there is none.
    """
    members: list[int] = []
    proc = Path("/proc")
    entries = [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.is_dir() else []
    for pid in entries:
        try:
            if pid == os.getpid() or os.getsid(pid) != session or not is_alive(pid):
                continue
            if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(directory):
                members.append(pid)
        except OSError:
            continue
    return members


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to each; those that have ended meanwhile are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_all(pids: list[int], grace_s: float) -> None:
    """End the processes: SIGTERM, then SIGKILL for those still there after `grace_s`. Returns when all are gone."""
    signal_all(pids, signal.SIGTERM)
    left = [pid for pid in pids if not wait_gone(pid, grace_s)]
    signal_all(left, signal.SIGKILL)
    for pid in left:
        wait_gone(pid, 5.0)


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Wait until a process that need not be our child has ended; False when it still lives after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    reap(pid)
    if not is_alive(pid):
        return True
    descriptor = _open_pidfd(pid)
    if descriptor is not None:
        try:
            _has_ended(descriptor, timeout_s)
        finally:
            os.close(descriptor)
    while is_alive(pid) and time.monotonic() < deadline:
        reap(pid)
        time.sleep(0.01)
    reap(pid)
    return not is_alive(pid)


def _open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or gone already
        return None


def reap(pid: int) -> None:
    """Collect the exit status where the process is our child, so that no zombie stays."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
