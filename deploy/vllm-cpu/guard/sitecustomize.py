"""Run by each Python interpreter that finds this folder on PYTHONPATH: the kernel kills it when its parent ends.

vLLM's engine and worker outlive an API server that was killed, 1.7 GB for good. The parent's signal reaches them here,
whether they are started anew (this file) or forked (the hook). Linux only; elsewhere nothing happens.
"""

import os
import sys


def _end_with_parent() -> None:
    import ctypes
    import signal

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)


if sys.platform.startswith("linux"):
    _end_with_parent()
    os.register_at_fork(after_in_child=_end_with_parent)
