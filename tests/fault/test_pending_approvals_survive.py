"""Requests that wait for people while everything is killed: the approved run once, the others expire, each once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.testing.system import SERVICES, System
from opswire.chassis.testing.upstream import Upstream
from opswire.cli.approvals import decide, read_asked
from opswire.cli.bus import connected
from opswire.lab import Lab, start

APPROVED = 10
LEFT = 10
LONG_S, SHORT_S = 900, 15
OUTCOME_TIMEOUT_S = 150.0
HOST = "web-02"
POLICY = """
roles: [operator]
approval_window_s: {window_s}
grants: []
otherwise: {{verdict: approve, people: 1, role: operator, because: It changes something}}
"""
PEOPLE = """
people:
  - name: sam
    roles: [operator]
    keys: [{{public: {public}}}]
"""
COUNTER = 'echo "$1" >> "${0%/*}/done"\n'


class Scene:
    """The system, the lab, and one person who may approve."""

    def __init__(self, system: System, lab: Lab, seed: str, policy_file: Path) -> None:
        self.system, self.seed, self._policy_file = system, seed, policy_file
        self._place = lab.paths(HOST).root / "srv"
        (self._place / "count.sh").write_text(COUNTER)

    def window(self, window_s: int) -> None:
        """How long people have from now on."""
        self._policy_file.write_text(POLICY.format(window_s=window_s))

    def done(self) -> Counter[str]:
        """How often each was run, as the host itself tells."""
        path = self._place / "done"
        return Counter(path.read_text().split()) if path.is_file() else Counter()

    def kill_everything(self) -> None:
        """SIGKILL for broker, cache and services, and all of them started again."""
        for name in self.system.names:
            self.system.kill(name)
        for names in (("nats", "valkey"), SERVICES):
            for name in names:
                self.system.launch(name)
            self.system.wait_ready(*names)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    seed = new_seed()
    people, policy = tmp_path / "people.yaml", tmp_path / "policy.yaml"
    people.write_text(PEOPLE.format(public=public_of(seed)))
    policy.write_text(POLICY.format(window_s=LONG_S))
    settings = {
        "OPSWIRE_PEOPLE_FILE": str(people),
        "OPSWIRE_POLICY_FILE": str(policy),
        "OPSWIRE_ALLOW_LOOPBACK": "true",
    }
    lab = start(tmp_path)
    try:
        with System(tmp_path, settings) as system:
            system.import_inventory(lab.inventory_path.read_text())
            yield Scene(system, lab, seed, policy)
    finally:
        lab.down()


async def asking(scene: Scene, upstream: Upstream, prefix: str, count: int) -> list[str]:
    """So many requests, all of them waiting for a person."""
    ids = [
        await upstream.submit(f'run "sh srv/count.sh {prefix}-{number}" on {HOST}', request_id=f"{prefix}-{number}")
        for number in range(count)
    ]
    for request_id in ids:
        await upstream.read(f"opswire.v1.test.{request_id}.approval.1.requested", 1, OUTCOME_TIMEOUT_S)
    return ids


async def approve(scene: Scene, ids: list[str]) -> None:
    async with connected(scene.system.nats.url) as bus:
        for request_id in ids:
            await decide(bus, await read_asked(bus, "test", request_id), scene.seed, "approve", "")


async def decisions(upstream: Upstream) -> Counter[str]:
    return Counter(
        json.loads(body)["outcome"] for body in await upstream.stored("opswire.v1.test.*.approval.*.decided")
    )


@pytest.mark.faults
@pytest.mark.timeout(400)
async def test_twenty_that_wait_are_each_decided_once_although_everything_dies(scene: Scene) -> None:
    async with Upstream(scene.system.nats.url) as upstream:
        wanted = await asking(scene, upstream, "wanted", APPROVED)
        scene.window(SHORT_S)
        left = await asking(scene, upstream, "left", LEFT)
        assert await decisions(upstream) == {}
    scene.kill_everything()
    async with Upstream(scene.system.nats.url) as upstream:
        await approve(scene, wanted)
        outcomes: list[dict[str, Any]] = await asyncio.gather(
            *(upstream.outcome(request_id, OUTCOME_TIMEOUT_S) for request_id in wanted + left)
        )
        decided = await decisions(upstream)
        finishes = await upstream.stored("opswire.v1.test.*.finished")
    statuses = {outcome["request_id"]: (outcome["status"], outcome.get("reason")) for outcome in outcomes}
    assert statuses == dict.fromkeys(wanted, ("completed", None)) | dict.fromkeys(left, ("expired", "approval_expired"))
    assert decided == {"granted": APPROVED, "expired": LEFT}
    assert len(finishes) == APPROVED + LEFT
    assert scene.done() == Counter(wanted)
