"""Why does checkout answer badly? Asked without a model, of the lab, when a service that it needs really is away."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml
from opswire.contracts.findings import Asset
from opswire.contracts.request_finished import Answer
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.rules.tools import ToolCall
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan
from opswire.lab import Lab, start

ASKED = "why does checkout return 502, and is orders-cache to blame"


@pytest.fixture
def lab(tmp_path) -> Iterator[Lab]:
    running = start(tmp_path / "lab")
    yield running
    running.down()


@pytest.fixture
def inventory(lab: Lab) -> dict[str, Asset]:
    found = yaml.safe_load(lab.inventory_path.read_text())["assets"]
    return {entry["name"]: Asset.model_validate({"id": entry["name"].replace("@", "_at_"), **entry}) for entry in found}


async def test_the_answer_names_what_is_away_and_how_it_would_be_started(lab: Lab, inventory, make_context) -> None:
    cache, checkout = inventory["orders-cache@db-01"], inventory["checkout@web-01"]
    checkout = checkout.model_copy(update={"attributes": checkout.attributes | {"depends_on": cache.name}})
    hosts = [inventory["web-01"], inventory["db-01"]]
    context = make_context("diagnose.issue", ASKED, [checkout, cache], hosts=hosts)

    async with Drivers(DriverSettings(lab.folder.parent, allow_loopback=True)) as drivers:

        async def ask() -> Answer:
            return await run_plan(make_plan(context), context, drivers.tools, time.time_ns() + 30_000_000_000)

        well = await ask()
        assert well.summary.startswith("5 of 5 checks pass; ")
        assert "Next:" not in well.summary
        stop = make_plan(make_context("service.stop", "stop orders-cache", [cache], hosts=hosts)).steps[0]
        await drivers.tools["service.stop"](ToolCall(stop, context, cache, inventory["db-01"]))
        ill = await ask()
    assert ill.summary.startswith("1 of 5 checks pass; fail: ")
    rows = [dict(zip(ill.columns or [], row, strict=True)) for row in ill.rows or []]
    verdicts = {(row["tool"], row["asset"]): row["verdict"] for row in rows}
    assert verdicts["ssh.unit_status", "checkout@web-01"] == "pass"
    assert verdicts["ssh.unit_status", "orders-cache@db-01"] == "fail"
    assert verdicts["http.check", "checkout@web-01"] == "fail"
    assert verdicts["ssh.port_check", "orders-cache@db-01"] == "fail"
    assert any(row["tool"] == "ssh.log_tail" and "orders-cache" in str(row["found"]) for row in rows)
    assert ill.summary.endswith('Next: opswire ask "start orders-cache on db-01"')
