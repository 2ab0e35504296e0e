"""Wait until a vLLM server can answer, and say meanwhile how far it is. Needs nothing but Python 3.11.

    python wait_ready.py --url http://127.0.0.1:8000 --timeout 1200 --process PID   (systemd, after the start)
    python wait_ready.py --once                                                     (a container's health check)

Exit status: 0 it answers · 1 not in time, or not at once with --once · 2 wrong usage · 3 the process has ended.
A server that loads its weights listens late: a refused connection is no error until the time is over.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import time
import urllib.parse
from collections.abc import Callable

ASK_EVERY_S = 1.0
SAY_EVERY_S = 15.0
ANSWER_WITHIN_S = 3.0
READY, TOO_LATE, WRONG_USAGE, ENDED = range(4)


def state_of(host: str, port: int) -> str:
    """`ready`, or in a few words what is in the way."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except ConnectionRefusedError:
        return "nothing listens yet: weights are loaded, graphs captured"
    except TimeoutError:
        return f"no answer within {ANSWER_WITHIN_S:g} s"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return "ready" if status == 200 else f"/health answers {status}"


def lives(process: int) -> bool:
    """Whether the process is there. One that waits to be reaped is not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{process}/stat", "rb") as stat:  # noqa: PTH123  no other module is loaded in a health check
            return stat.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return not os.path.exists("/proc/self/stat")  # noqa: PTH110  the same; where there is no /proc, kill decided


def wait(state: Callable[[], str], timeout_s: float, process: int | None, say: Callable[[str], None]) -> int:
    """Ask until it is ready, the time is over or the process has ended; the exit status."""
    begun = time.monotonic()
    said_at = -SAY_EVERY_S
    said = ""
    while True:
        seen = state()
        elapsed = time.monotonic() - begun
        if seen == "ready":
            say(f"ready after {elapsed:.0f} s")
            return READY
        if process is not None and not lives(process):
            say(f"process {process} has ended after {elapsed:.0f} s; its log says why (journalctl -u opswire-vllm)")
            return ENDED
        if elapsed >= timeout_s:
            say(f"not ready after {elapsed:.0f} s: {seen}. Look into the server's log, run opswire doctor --gpu")
            return TOO_LATE
        if seen != said or elapsed - said_at >= SAY_EVERY_S:
            said, said_at = seen, elapsed
            say(f"{elapsed:.0f} of {timeout_s:.0f} s: {seen}")
        time.sleep(min(ASK_EVERY_S, max(0.0, timeout_s - elapsed)))


def main() -> int:
    """Read the command line and wait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the server is to answer")
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds; default %(default)s")
    parser.add_argument("--process", type=int, help="give up as soon as this process has ended")
    parser.add_argument("--once", action="store_true", help="ask once and say nothing but the exit status")
    options = parser.parse_args()
    url = urllib.parse.urlsplit(options.url)
    if url.scheme != "http" or not url.hostname:
        parser.error(f"{options.url}: http://HOST:PORT is wanted")
    host, port = url.hostname, url.port or 80
    if options.once:
        return READY if state_of(host, port) == "ready" else TOO_LATE
    return wait(lambda: state_of(host, port), options.timeout, options.process, _say)


def _say(sentence: str) -> None:
    sys.stderr.write(f"wait_ready: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
