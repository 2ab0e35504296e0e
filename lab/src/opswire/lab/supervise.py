"""Runs supervisord in the foreground, so that it ends when its host does.

    python -m opswire.lab.supervise -c supervisord.conf

On Linux the kernel sends SIGTERM when the host process dies, however it dies; supervisord then stops its services.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become supervisord."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died in between
        raise SystemExit(1)
    from supervisor.supervisord import main as supervisord

    sys.argv[0] = "supervisord"
    supervisord()


if __name__ == "__main__":
    main()
