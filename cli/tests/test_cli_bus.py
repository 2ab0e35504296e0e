"""What the command line reads from the streams and how it stores, on a real broker with the real streams."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.cli.bus import Accepted, Bus, ConflictError, _stored, connected, submitted_subject
from opswire.cli.errors import NoOutcomeError, NotRunningError
from opswire.cli.submission import GRACE_S, Submission, see_through
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


async def test_more_facts_of_a_request_than_the_broker_answers_for_at_once_are_all_read(bus: Bus) -> None:
    subject = submitted_subject("pager", "flooded")
    await bus.store(subject, b"{}", {}, time.monotonic() + PATIENCE_S)
    words = [f"opswire.v1.pager.flooded.approval.{number}.given.sam" for number in range(1_100)]
    jetstream = bus.client.jetstream()
    await asyncio.gather(*(jetstream.publish(word, b"{}") for word in words))
    assert {fact.subject for fact in await bus.facts("pager", "flooded")} == {subject, *words}


def test_headers_that_hide_the_brokers_leave_the_body_readable(client: Client) -> None:
    for sequence in ("garbage", "-1", "²", ""):
        found = _stored(Msg(client, "inbox", "", b"{}", FORGED | {"Nats-Sequence": sequence}))
        assert (found.sequence, found.at_ns, found.body) == (0, 0, b"{}")
    assert _stored(Msg(client, "inbox", "", b"{}", None)).sequence == 0


async def limit(client: Client, messages_max: int) -> None:
    """Let the facts stream hold so many messages; -1 for any number."""
    info = json.loads((await client.request(f"$JS.API.STREAM.INFO.{FACTS}", b"")).data)
    config = json.dumps(info["config"] | {"max_msgs": messages_max}).encode()
    answer = json.loads((await client.request(f"$JS.API.STREAM.UPDATE.{FACTS}", config)).data)
    assert "error" not in answer


@asynccontextmanager
async def full(bus: Bus, client: Client) -> AsyncIterator[Callable[[], Any]]:
    """The facts stream holds one message and takes no more, until the function that is given is called."""
    await bus.store(submitted_subject("full", "first"), b"one", {}, time.monotonic() + PATIENCE_S)
    await limit(client, len([message async for message in bus.everything(FACTS, "opswire.v1.>")]))
    try:
        yield lambda: limit(client, -1)
    finally:
        await limit(client, -1)


async def test_a_full_stream_is_no_taken_subject(bus: Bus, client: Client) -> None:
    subject = submitted_subject("full", "refused")
    async with full(bus, client):
        with pytest.raises(NotRunningError, match=r"cannot store \(full\?\): maximum messages exceeded"):
            await bus.store(subject, b"two", {}, time.monotonic())
        taken = submitted_subject("full", "first")
        assert (await bus.store(taken, b"one", {}, time.monotonic())).repeated
        with pytest.raises(ConflictError):
            await bus.store(taken, b"two", {}, time.monotonic())
    assert await bus.last(FACTS, subject) is None


async def test_what_a_full_stream_refused_is_stored_once_there_is_room(bus: Bus, client: Client) -> None:
    subject = submitted_subject("full", "later")
    tried = await client.subscribe(subject)  # core NATS shows each attempt, stored or not
    async with full(bus, client) as make_room:
        storing = asyncio.create_task(bus.store(subject, b"two", {}, time.monotonic() + PATIENCE_S))
        for _ in range(2):
            await tried.next_msg(timeout=PATIENCE_S)
        assert not storing.done()
        await make_room()
        assert not (await storing).repeated
    found = await bus.last(FACTS, subject)
    assert found is not None
    assert found.body == b"two"


async def test_a_subject_on_which_nothing_stands_is_not_taken(bus: Bus, client: Client) -> None:
    """A stream that refuses for a message that the facts do not hold, as when it has expired between the two looks."""
    await client.jetstream().add_stream(
        name="OTHER", subjects=["other.>"], max_msgs_per_subject=1, discard="new", discard_new_per_subject=True
    )
    await bus.store("other.one", b"one", {}, time.monotonic() + PATIENCE_S)
    with pytest.raises(NotRunningError, match="per subject"):
        await bus.store("other.one", b"two", {}, time.monotonic())


class NotingBus(Bus):
    """The real thing, which notes when a request was accepted and until when its finish is waited for, and does not."""

    accepted_at = 0.0
    waiting_until = 0.0

    async def store(self, subject: str, body: bytes, headers: dict[str, str], until: float) -> Accepted:
        accepted = await super().store(subject, body, headers, until)
        self.accepted_at = time.monotonic()
        return accepted

    async def finish(self, feed: Subscription, source: str, request_id: str, until: float) -> bytes | None:
        self.waiting_until = until
        return await super().finish(feed, source, request_id, time.monotonic())


async def test_the_time_to_wait_counts_from_the_acceptance(client: Client) -> None:
    noting = NotingBus(client)
    with pytest.raises(NoOutcomeError):
        await see_through(noting, Submission("pager", "slow", b"{}", 5_000), None)
    assert noting.accepted_at > 0
    assert noting.waiting_until >= noting.accepted_at + 5 + GRACE_S
