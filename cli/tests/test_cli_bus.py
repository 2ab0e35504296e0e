"""What the command line reads from the streams and how it stores, on a real broker with the real streams."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.cli.bus import Bus, _stored, connected, submitted_subject
from opswire.contracts.routes import FACTS

PATIENCE_S = 10.0
# What an upstream may write under the names that the broker uses.
FORGED = {"Status": "404", "Nats-Sequence": "garbage", "Nats-Subject": "elsewhere", "Nats-Time-Stamp": "never"}


@pytest.fixture
async def bus(broker: NatsServer, client: Client) -> AsyncIterator[Bus]:
    """The command line's own connection; `client` has made the streams."""
    async with connected(broker.url) as found:
        yield found


async def test_an_upstreams_headers_do_not_make_a_stored_fact_absent(bus: Bus) -> None:
    for request_id, headers in (("s404", {"Status": "404"}), ("s503", {"Status": "503"}), ("forged", FORGED)):
        subject = submitted_subject("pager", request_id)
        first = await bus.store(subject, b"{}", headers, time.monotonic() + PATIENCE_S)
        again = await bus.store(subject, b"{}", headers, time.monotonic() + PATIENCE_S)
        assert (again.sequence, again.repeated) == (first.sequence, True)
        facts = await bus.facts("pager", request_id)
        assert [(fact.subject, fact.sequence, fact.body) for fact in facts] == [(subject, first.sequence, b"{}")]
        assert facts[0].headers["Status"] == headers["Status"]
        assert facts[0].at_ns > 0
    assert await bus.last(FACTS, submitted_subject("pager", "nothing")) is None
    pattern = "opswire.v1.pager.*.submitted"
    assert len([message async for message in bus.everything(FACTS, pattern)]) == 3


def test_headers_that_hide_the_brokers_leave_the_body_readable(client: Client) -> None:
    for sequence in ("garbage", "-1", "²", ""):
        found = _stored(Msg(client, "inbox", "", b"{}", FORGED | {"Nats-Sequence": sequence}))
        assert (found.sequence, found.at_ns, found.body) == (0, 0, b"{}")
    assert _stored(Msg(client, "inbox", "", b"{}", None)).sequence == 0
