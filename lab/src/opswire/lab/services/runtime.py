"""What every service of the lab needs: its configuration, its log, and serving until SIGTERM."""

from __future__ import annotations

import asyncio
import configparser
import logging
import signal
import time
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_BYTES_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From `127.0.0.1:6380`. Raises ValueError for anything else."""
        host, _, port = text.rpartition(":")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One `/etc/<service>.conf`. Paths in it are relative to the host's root, the working directory."""

    name: str
    environment: str
    endpoint: Endpoint
    log: Path
    data: Path
    upstreams: dict[str, Endpoint]
    page_size: int


def read_configuration(path: Path) -> Configuration:
    """Read the file. Raises OSError, ValueError or KeyError: supervisord then shows the service as failing to start."""
    parser = configparser.ConfigParser(interpolation=None)
    with path.open() as file:
        parser.read_file(file)
    service = parser["service"]
    return Configuration(
        name=service["name"],
        environment=service["environment"],
        endpoint=Endpoint(service["address"], int(service["port"])),
        log=Path(service["log"]),
        data=Path(service["data"]),
        upstreams={name: Endpoint.parse(value) for name, value in parser["upstreams"].items()},
        page_size=int(service["page_size"]),
    )


def open_log(configuration: Configuration) -> logging.Logger:
    """The service's own log: `2026-01-31T12:00:00.123Z ERROR message`, one line each."""
    handler = RotatingFileHandler(configuration.log, maxBytes=LOG_BYTES_MAX, backupCount=1)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger(configuration.name)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    return logger


def one_line(text: str) -> str:
    """Text from outside, fit for a log line: control characters cannot forge a second line."""
    return "".join(character if character.isprintable() else "?" for character in text)[:500]


async def until_terminated() -> None:
    """Return when supervisord asks the service to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
