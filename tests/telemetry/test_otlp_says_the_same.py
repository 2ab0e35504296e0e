"""What our services send over OTLP tells the same as what they keep: account by account, to the nanosecond."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.embedded.process import end, spawn
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until, wait_until
from opswire.ledger.account import account
from opswire.ledger.store import create, read_request
from opswire.ledger.testing import is_whole

TEXTS = ("what can you do?", "list all servers in production", "book me a table for two", "what's the ip of web-01")


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/traces", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 405  # it takes nothing but POST
    except OSError:
        return False


@contextmanager
def receiver(store: Path) -> Iterator[str]:
    """The ledger's receiver as a process of its own, writing into `store`; its address."""
    port = free_port()
    environment = os.environ | {"OPSWIRE_TRACE_STORE": str(store), "OPSWIRE_OTLP_PORT": str(port)}
    log = store.with_suffix(".log")
    process: subprocess.Popen[bytes] = spawn([sys.executable, "-m", "opswire.ledger.receiver"], log, environment)
    try:
        wait_until(lambda: answers(port), lambda: log.read_text(), 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, Path]]:
    directory = tmp_path_factory.mktemp("otlp")
    received = directory / "received.sqlite3"
    with receiver(received) as url, System(directory / "system", {"OPSWIRE_OTLP_ENDPOINT": url}) as system:
        create(system.directory / "traces.sqlite3")
        system.import_inventory((Path(__file__).parents[1] / "data" / "inventory.yaml").read_text())
        yield system, received


async def test_the_account_of_what_was_sent_is_that_of_what_was_kept(stores: tuple[System, Path]) -> None:
    system, received = stores
    async with Upstream(system.nats.url) as upstream:
        ids = [await upstream.submit(text) for text in TEXTS]
        for request_id in ids:
            await upstream.outcome(request_id)
    for request_id in ids:
        key = f"test/{request_id}"

        def both_whole(key: str = key) -> bool:
            kept, sent = (read_request(path, key) for path in (system.directory / "traces.sqlite3", received))
            return bool(kept) and is_whole(kept) and len(sent) == len(kept)

        await until(both_whole)
        kept, sent = (read_request(path, key) for path in (system.directory / "traces.sqlite3", received))
        assert {span.clock_domain for span in sent} == {span.clock_domain for span in kept} != {""}
        assert {span.service for span in sent} == {"intent", "assets", "executor"}
        assert account(key, sent) == account(key, kept)
        assert account(key, sent)[0].flags == ()
