"""One host of the lab: its SSH server and its supervisor, in a process of its own.

    python -m opswire.lab.host --name web-01 --home DIRECTORY --ssh-port PORT --authorized-key FILE [--ready-fd N]

Started detached by `Lab.up`, as leader of a session. Writes `ready` to the descriptor N when SSH accepts and every
service runs. SIGTERM ends it with everything it started.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

from opswire.lab.files import remove_socket
from opswire.lab.layout import READY, HostPaths, host_spec
from opswire.lab.processes import end_all, session_members, take_lock
from opswire.lab.supervision import program_states

PROBE_PAUSE_S = 0.05
# Longer than the time that supervisord gives a service to stop.
SUPERVISOR_STOP_S = 8.0
LOG_BYTES_MAX = 1_000_000


def main() -> int:
    """Run the host until SIGTERM."""
    arguments = _parse()
    paths = HostPaths(arguments.home)
    with take_lock(paths.lock):
        paths.pid_file.write_text(f"{os.getpid()}\n")
        supervisor = _start_supervisor(paths)
        try:
            asyncio.run(_run(arguments, paths, supervisor))
        finally:
            _end_everything(paths, supervisor)
        # Not in the `finally`: a pid file without a living host is how a crash is seen.
        paths.pid_file.unlink(missing_ok=True)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m opswire.lab.host")
    parser.add_argument("--name", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--ssh-port", type=int, required=True)
    parser.add_argument("--authorized-key", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int)
    return parser.parse_args()


def _start_supervisor(paths: HostPaths) -> subprocess.Popen[bytes]:
    # Before the SSH library is imported: the services start while we do that.
    paths.supervisor_socket.unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "opswire.lab.supervise", "-c", paths.supervisor_conf.name],
        cwd=paths.home,
        stdin=subprocess.DEVNULL,
    )


async def _run(arguments: argparse.Namespace, paths: HostPaths, supervisor: subprocess.Popen[bytes]) -> None:
    from opswire.lab.ssh import serve_ssh

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _log_connections(paths)
    server = await serve_ssh(arguments.name, paths, arguments.ssh_port, arguments.authorized_key.read_text())
    announce = asyncio.create_task(_announce(arguments.name, paths, supervisor, arguments.ready_fd))
    await stop.wait()
    announce.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await announce
    server.close()
    await server.wait_closed()


def _log_connections(paths: HostPaths) -> None:
    handler = RotatingFileHandler(paths.root / "var" / "log" / "sshd.log", maxBytes=LOG_BYTES_MAX, backupCount=1)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("asyncssh")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


async def _announce(name: str, paths: HostPaths, supervisor: subprocess.Popen[bytes], ready_fd: int | None) -> None:
    """Say so when every service runs, or which one does not start.

    A supervisor that ends before leaves the descriptor closed and unwritten.
    """
    host = host_spec(name)
    expected = {service.name for service in host.services}
    expected |= {program for group in host.workers for program in group.programs[: group.replicas]}
    while ready_fd is not None and supervisor.poll() is None:
        states = await asyncio.to_thread(program_states, paths.supervisor_socket)
        if {program.name for program in states or [] if program.state == "RUNNING"} >= expected:
            os.write(ready_fd, READY)
            break
        failed = [program.name for program in states or [] if program.state == "FATAL"]
        if failed:
            os.write(ready_fd, f"{', '.join(failed)} does not start".encode())
            break
        await asyncio.sleep(PROBE_PAUSE_S)
    if ready_fd is not None:
        os.close(ready_fd)


def _end_everything(paths: HostPaths, supervisor: subprocess.Popen[bytes]) -> None:
    supervisor.terminate()
    try:
        supervisor.wait(timeout=SUPERVISOR_STOP_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    # Commands over SSH that put children into the background, and services of a supervisor that was killed.
    end_all(session_members(os.getsid(0), paths.home), grace_s=1.0)
    remove_socket(paths)


if __name__ == "__main__":
    sys.exit(main())
