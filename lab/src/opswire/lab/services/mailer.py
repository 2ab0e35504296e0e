"""mailer: one of a group of like processes, which say that they live and wait for mail that never comes.

python -m opswire.lab.services.mailer etc/mailer.conf mailer-01
"""

from __future__ import annotations

import configparser
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

BEAT_S = 30.0


def main() -> None:
    """Write a line at the start, every half minute, and at the end."""
    parser = configparser.ConfigParser(interpolation=None)
    with Path(sys.argv[1]).open() as file:
        parser.read_file(file)
    log, name = Path(parser["service"]["log"]), sys.argv[2]
    ended = _end_asked()
    _write(log, f"{name} starts with pid {os.getpid()}")
    while not select.select([ended], [], [], BEAT_S)[0]:
        _write(log, f"{name} waits for mail")
    _write(log, f"{name} stops")


def _end_asked() -> socket.socket:
    """What can be read from once SIGTERM or SIGINT came."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return reading


def _write(log: Path, text: str) -> None:
    # One short write in append mode: several processes share the file.
    with log.open("a") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} INFO {text}\n")


if __name__ == "__main__":
    main()
