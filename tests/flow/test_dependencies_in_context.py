"""What a service needs reaches the plan, and what was true of it before an acknowledged change never does."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from opswire.chassis.testing.system import TOKEN, System
from opswire.chassis.testing.upstream import Upstream
from opswire.contracts.caches_invalidated import CachesInvalidated
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.invalidation_acknowledged import InvalidationAcknowledged
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.routes import CACHES_INVALIDATED, INVALIDATION_ACKNOWLEDGED

ASKED = "why is checkout slow"
PATIENCE_S = 60.0
INVENTORY = """assets:
  - {name: web-01, type: host, address: 127.0.0.1}
  - {name: db-01, type: host, address: 127.0.0.1}
  - name: checkout@web-01
    aliases: [checkout]
    type: service
    parent: web-01
    attributes: {unit: checkout, depends_on: orders@db-01}
  - {name: orders@db-01, type: database, parent: db-01, address: 127.0.0.1, attributes: {port: "1"}}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system")) as running:
        running.import_inventory(INVENTORY)
        yield running


@pytest_asyncio.fixture
async def asker(system: System) -> AsyncIterator[Upstream]:
    async with Upstream(system.nats.url) as upstream:
        yield upstream


async def fact(asker: Upstream, request_id: str, name: str) -> bytes:
    (body,) = await asker.read(f"opswire.v1.test.{request_id}.{name}", 1, PATIENCE_S)
    return body


async def asked(asker: Upstream) -> tuple[ContextResolved, PlanMade]:
    request_id = await asker.submit(ASKED)
    context = ContextResolved.from_bytes(await fact(asker, request_id, "context"))
    return context, PlanMade.from_bytes(await fact(asker, request_id, "plan"))


def changed(system: System, name: str, edits: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{system.url('assets')}/assets/{name}",
        json.dumps(edits).encode(),
        {"Authorization": f"Bearer {TOKEN}"},
        method="PATCH",
    )
    with urllib.request.urlopen(request, None, PATIENCE_S) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


async def change_acknowledged(system: System, asker: Upstream, name: str, edits: dict[str, Any]) -> None:
    """Change an asset, and wait until it is said that no process serves what it was."""
    invalidations = await asker.client.subscribe(CACHES_INVALIDATED.template)
    acknowledgements = await asker.client.subscribe(INVALIDATION_ACKNOWLEDGED.wildcard)
    await asker.client.flush()
    after = await asyncio.to_thread(changed, system, name, edits)
    nonce, cause = "", f"asset:{after['id']}@{after['generation']}"
    while not nonce:
        found = CachesInvalidated.from_bytes((await invalidations.next_msg(PATIENCE_S)).data)
        nonce = found.nonce if found.cause == cause else ""
    while InvalidationAcknowledged.from_bytes((await acknowledgements.next_msg(PATIENCE_S)).data).nonce != nonce:
        pass
    await invalidations.unsubscribe()
    await acknowledgements.unsubscribe()


def needed(context: ContextResolved) -> Asset:
    return next(asset for asset in context.hosts if asset.name == "orders@db-01")


async def test_what_a_service_needs_is_planned_for_and_never_old(system: System, asker: Upstream) -> None:
    first, plan = await asked(asker)
    assert [asset.name for asset in first.assets] == ["checkout@web-01"]
    assert [asset.name for asset in first.hosts] == ["web-01", "orders@db-01", "db-01"]
    check = {"target_asset_id": needed(first).id, "port": 1}
    assert ("ssh.port_check", check) in [(step.tool, step.arguments) for step in plan.steps]
    assert not {step.asset_id for step in plan.steps} & {asset.id for asset in first.hosts[1:]}
    for generation, port in enumerate(("2", "3", "4"), start=needed(first).generation + 1):
        await change_acknowledged(system, asker, "orders@db-01", {"attributes.port": port})
        found = [await asked(asker) for _ in range(2)]
        assert [needed(context).generation for context, _ in found] == [generation] * 2
        for _, plan in found:
            assert int(port) in [step.arguments.get("port") for step in plan.steps]
