"""The main questions against the lab: real hosts, real supervisors, real processes."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import yaml
from opswire.contracts.findings import Asset
from opswire.contracts.request_finished import Answer
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import FileUnreadableError, HostKeyUnknownError
from opswire.executor.usecases.kept_results import KeptResults
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan
from opswire.lab import Lab, start


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = start(tmp_path_factory.mktemp("lab"))
    yield running
    running.down()


@pytest.fixture(scope="module")
def inventory(lab: Lab) -> dict[str, Asset]:
    found = yaml.safe_load(lab.inventory_path.read_text())["assets"]
    return {entry["name"]: Asset.model_validate({"id": entry["name"].replace("@", "_at_"), **entry}) for entry in found}


@pytest.fixture
async def ask(lab: Lab, inventory: dict[str, Asset], make_context) -> AsyncIterator:
    async def question(intent: str, text: str, names: list[str], *entities: tuple[str, str]) -> Answer:
        assets = [inventory[name] for name in names]
        hosts = {asset.parent: inventory[asset.parent] for asset in assets if asset.parent in inventory}
        context = make_context(intent, text, assets, entities, hosts.values())
        return await run_plan(make_plan(context), context, drivers.tools, time.time_ns() + 30_000_000_000)

    async with Drivers(DriverSettings(lab.folder.parent, allow_loopback=True)) as drivers:
        yield question


def rows_of(answer: Answer) -> list[dict[str, object]]:
    return [dict(zip(answer.columns or [], row, strict=True)) for row in answer.rows or []]


async def test_a_services_state_is_that_of_its_real_process(ask, lab: Lab) -> None:
    rows = rows_of(await ask("status.check", "is checkout running on web-01?", ["checkout@web-01", "web-01"]))
    services = {
        service.name: service for host in lab.status().hosts if host.name == "web-01" for service in host.services
    }
    assert [(row["check"], row["state"], row["pid"]) for row in rows] == [
        ("unit checkout", "running", services["checkout"].pid),
        ("http", "healthy", None),
    ]
    pid = rows[0]["pid"]
    assert isinstance(pid, int)
    os.kill(pid, 0)


async def test_hosts_and_what_is_not_reachable(ask) -> None:
    answer = await ask("status.check", "are they up", ["web-01", "web-02", "db-01", "app-01"])
    rows = rows_of(answer)
    assert [row["asset"] for row in rows if row["check"] == "ssh" and row["state"] == "reachable"] == [
        "web-01",
        "web-02",
        "db-01",
    ]
    assert str(rows[-1]["error"]).startswith("host_key_unknown")
    assert answer.summary.startswith("3 of 3 are well")
    with pytest.raises(HostKeyUnknownError):
        await ask("status.check", "is app-01 up", ["app-01"])


async def test_a_unit_that_is_not_there(ask) -> None:
    answer = await ask("status.check", "is nginx running on web-01", ["web-01"], ("service", "nginx"))
    assert answer.rows == [["web-01", "unit nginx", "unknown", None, "no such unit"]]


async def test_numbers_of_a_host_now(ask) -> None:
    answer = await ask(
        "metrics.query", "load, memory and uptime over the last hour", ["checkout@web-01"], ("time_range", "last hour")
    )
    values = {row["metric"]: row["value"] for row in rows_of(answer)}
    assert set(values) == {"load_1m", "load_5m", "load_15m", "memory_used", "uptime"}
    assert 0 < float(str(values["memory_used"])) < 100
    assert "History is not kept here" in answer.summary


async def test_the_log_that_is_really_there(ask, lab: Lab) -> None:
    answer = await ask("logs.search", "last 2 lines", ["checkout@web-01"], ("count", "2"))
    log = (lab.paths("web-01").root / "var" / "log" / "checkout.log").read_text()
    assert len(answer.rows or []) == 2
    assert all(str(row["line"]) in log for row in rows_of(answer))


async def test_files_stay_inside_the_host(ask, lab: Lab) -> None:
    answer = await ask("file.read", "cat", ["web-01"], ("path", "/../../etc/hostname"))
    assert answer.rows == [["web-01", 1, "web-01"]]
    (lab.paths("web-01").root / "etc" / "outside").symlink_to("/etc/passwd")
    with pytest.raises(FileUnreadableError):
        await ask("file.read", "cat", ["web-01"], ("path", "/etc/outside"))


async def test_connections_between_hosts(ask) -> None:
    answer = await ask("diagnose.connectivity", "can web-01 reach orders-cache", ["web-01", "orders-cache@db-01"])
    assert [(row["from"], row["result"]) for row in rows_of(answer)] == [("web-01", "open"), ("executor", "open")]
    assert answer.summary.startswith("Yes: tcp from web-01 to orders-cache@db-01")
    closed = await ask("diagnose.connectivity", "can web-01 reach db-01 on 1", ["web-01", "db-01"], ("port", "1"))
    assert [(row["from"], row["result"]) for row in rows_of(closed)] == [("web-01", "closed"), ("executor", "refused")]
    assert closed.summary.startswith("No: ")


async def test_the_load_of_a_host_is_read_once_for_those_who_ask_together(
    lab: Lab, inventory: dict[str, Asset], make_context, kept: KeptResults
) -> None:
    context = make_context("metrics.query", "load of web-01", [inventory["web-01"]])
    async with Drivers(DriverSettings(lab.folder.parent, allow_loopback=True)) as drivers:

        async def ask(fresh: bool = False) -> Answer:
            deadline_ns = time.time_ns() + 30_000_000_000
            return await run_plan(make_plan(context), context, drivers.tools, deadline_ns, kept=kept, fresh=fresh)

        first, second, fresh = await ask(), await ask(), await ask(fresh=True)
    assert first.rows == second.rows
    assert ["from the cache" in answer.summary for answer in (first, second, fresh)] == [False, True, False]


async def test_the_state_of_a_service_is_never_an_old_one(
    lab: Lab, inventory: dict[str, Asset], make_context, kept: KeptResults
) -> None:
    assets = [inventory["checkout@web-01"]]
    context = make_context("status.check", "is checkout up", assets, hosts=[inventory["web-01"]])
    async with Drivers(DriverSettings(lab.folder.parent, allow_loopback=True)) as drivers:
        for _ in range(2):
            deadline_ns = time.time_ns() + 30_000_000_000
            answer = await run_plan(make_plan(context), context, drivers.tools, deadline_ns, kept=kept)
            assert "from the cache" not in answer.summary
