"""Upstreams that mean harm: what one of them publishes must not cost another its outcome, nor a service its life."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from opswire.chassis.testing.system import SERVICES, System
from opswire.chassis.testing.upstream import Upstream
from raw_nats import RawNats, header_block


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system"), {"OPSWIRE_SWEEP_INTERVAL_S": "0.5"}) as running:
        yield running


def request(request_id: str, **fields: object) -> bytes:
    body = {"request_id": request_id, "text": "what can you do?", "requester": {"id": "eve", "kind": "human"}}
    return json.dumps(body | fields).encode()


@pytest.mark.parametrize("fact", ["intent", "context", "finished"])
async def test_a_message_id_taken_by_somebody_else_costs_no_outcome(system: System, fact: str) -> None:
    """The broker drops a publish whose id it saw within two minutes; an upstream may choose any id for its own."""
    raw, victim = RawNats(system.nats.port), f"victim-of-{fact}"
    header = header_block(b"Nats-Msg-Id: opswire.v1.test.%b.%b" % (victim.encode(), fact.encode()))
    thief = f"thief-of-{fact}"
    stored = await raw.publish(b"opswire.v1.evil.%b.submitted" % thief.encode(), request(thief), header)
    assert stored.sequence is not None
    async with Upstream(system.nats.url) as upstream:
        outcome = await upstream.ask("what can you do?", request_id=victim, timeout_s=10)
    assert outcome["status"] == "completed"


async def test_a_subject_that_is_not_utf8_deafens_nobody(system: System) -> None:
    pids = system.pids()
    raw = RawNats(system.nats.port)
    for token in (b"\xc3", b"\xff\xfe"):
        assert (await raw.publish(b"opswire.v1.test.%b.submitted" % token, request("x"))).sequence is not None
    async with Upstream(system.nats.url) as upstream:
        assert (await upstream.ask("what can you do?"))["status"] == "completed"
        # The executor's sweep reads all acceptances: one that was deafened would never end this request.
        system.pause("assets")
        request_id = await upstream.submit("list all servers", deadline_ms=300)
        assert (await upstream.outcome(request_id, 15))["status"] == "expired"
        system.resume("assets")
        parked = [
            json.loads(record) for record in await upstream.stored("opswire.parked.v1.intent.*", "OPSWIRE_PARKED")
        ]
    assert [record["code"] for record in parked] == ["bad_subject", "bad_subject"]
    assert system.pids() == pids
    assert all(system.is_ready(name) for name in SERVICES)


async def test_a_source_outside_the_pattern_is_parked_and_never_run(system: System) -> None:
    raw = RawNats(system.nats.port)
    assert (await raw.publish(b"opswire.v1.BAD_Src!.fine.submitted", request("fine"))).sequence is not None
    async with Upstream(system.nats.url) as upstream:
        assert (await upstream.ask("what can you do?"))["status"] == "completed"  # handled after it
        assert await upstream.stored("opswire.v1.BAD_Src!.fine.*") == [request("fine")]
