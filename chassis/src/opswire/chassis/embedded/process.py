"""A child process that ends with its parent: the base of the embedded servers and of everything `opswire up` starts.

Linux kills such a child when the *thread* that created it ends (PR_SET_PDEATHSIG), so create it from a thread that
lives as long as the child should, in practice the main thread. Elsewhere (macOS) there is no such signal: a child of a
parent that was killed with SIGKILL stays until `opswire down` or `kill` ends it; else its parent ends it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
TERM_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 5.0


class EmbeddedServerError(RuntimeError):
    """A server could not be started. The message says which, why, and where its log is."""


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs between fork and exec so that the kernel kills it with its parent; None where it cannot."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here, in the parent: between fork and exec only calls that take no lock are safe.
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def spawn(
    arguments: Sequence[str], log_path: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, output appended to `log_path`, killed with its parent where possible.

    A session of its own keeps Ctrl-C in the terminal from reaching it: its parent ends it, in order.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        return subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )


def end(process: subprocess.Popen[bytes], timeout_s: float = TERM_TIMEOUT_S) -> int:
    """Ask a process to end (SIGTERM), kill it after `timeout_s`, and give its exit status. Safe to repeat."""
    if process.poll() is None:
        process.terminate()
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(KILL_TIMEOUT_S)


def log_tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log for an error message; empty when there is none."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
