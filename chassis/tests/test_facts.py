"""Facts exist once, whatever happens to the acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nats.js.api import DiscardPolicy
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.errors import RetryableError
from opswire.chassis.facts import Facts
from opswire.chassis.publisher import BrokerAwayError, Publisher, PublishRefusedError, SubjectTakenError
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import FACTS

SUBJECT = "opswire.v1.test.r1.intent"
Connect = Callable[..., Awaitable[WireClient]]


async def facts_on(client: WireClient) -> Facts:
    publisher = Publisher(client)
    await publisher.start()
    return Facts(client, publisher, FACTS)


@pytest.fixture
async def facts(nats_server: NatsServer, connect: Connect) -> Facts:
    return await facts_on(await connect(nats_server.url))


async def test_the_first_fact_stands(facts: Facts) -> None:
    first = await facts.publish(SUBJECT, b"", b"one")
    assert (first.ours, first.body) == (True, b"one")
    again = await facts.publish(SUBJECT, b"", b"one")
    assert (again.ours, again.sequence) == (True, first.sequence)
    other_id = await facts.publish(SUBJECT, b"Nats-Msg-Id: another\r\n", b"one")
    assert (other_id.ours, other_id.sequence) == (True, first.sequence)
    for header in (b"", b"Nats-Msg-Id: a-third\r\n"):
        late = await facts.publish(SUBJECT, header, b"two")
        assert (late.ours, late.body, late.sequence) == (False, b"one", first.sequence)
    found = await facts.read(SUBJECT)
    assert found is not None
    assert (found.body, found.sequence) == (b"one", first.sequence)


async def test_a_fact_that_is_not_there_reads_as_none(facts: Facts) -> None:
    assert await facts.read(SUBJECT) is None


async def test_of_many_writers_one_wins_and_all_learn_who(nats_server: NatsServer, connect: Connect) -> None:
    writers = [await facts_on(await connect(nats_server.url)) for _ in range(8)]
    results = await asyncio.gather(
        *(w.publish(SUBJECT, f"Nats-Msg-Id: w{n}\r\n".encode(), b"w%d" % n) for n, w in enumerate(writers))
    )
    assert [result.ours for result in results].count(True) == 1
    assert len({result.body for result in results}) == 1


async def test_a_publish_whose_acknowledgement_is_lost_is_repeated_and_exists_once(
    wire: Any, connect: Connect, upstream: Upstream
) -> None:
    facts = await facts_on(await connect(wire.url))
    wire.is_mute = True
    publishing = asyncio.create_task(facts.publish(SUBJECT, b"", b"one"))
    assert await upstream.read(SUBJECT, 1, 10) == [b"one"]  # stored, and its writer was not told
    assert not publishing.done()
    wire.is_mute = False
    wire.cut()
    fact = await asyncio.wait_for(publishing, 20)
    assert (fact.ours, fact.body) == (True, b"one")
    info = await upstream.client.jetstream().stream_info(FACTS)
    assert info.state.messages == 1


async def test_another_writer_between_loss_and_repetition_is_not_overwritten(
    wire: Any, connect: Connect, facts: Facts, upstream: Upstream
) -> None:
    cut_off = await facts_on(await connect(wire.url))
    wire.is_closed = True
    wire.cut()
    publishing = asyncio.create_task(cut_off.publish(SUBJECT, b"", b"late"))
    await facts.publish(SUBJECT, b"Nats-Msg-Id: other\r\n", b"early")
    wire.is_closed = False
    fact = await asyncio.wait_for(publishing, 20)
    assert (fact.ours, fact.body) == (False, b"early")


async def test_a_broker_that_stays_away_is_a_fault_to_retry(nats_server: NatsServer, connect: Connect) -> None:
    away = asyncio.Event()

    async def gone() -> None:
        away.set()

    facts = await facts_on(await connect(nats_server.url, disconnected_cb=gone))
    nats_server.kill()
    await asyncio.wait_for(away.wait(), 10)
    with pytest.raises(RetryableError):
        await facts.publish(SUBJECT, b"", b"one", patience_s=0.3)


async def test_too_large_a_message_is_refused_for_good(facts: Facts) -> None:
    for size in (400_000, 2_000_000):  # over the stream's limit, over the broker's
        with pytest.raises(PublishRefusedError):
            await facts.publish(SUBJECT, b"", b"x" * size)
    assert (await facts.publish(SUBJECT, b"", b"small")).ours


async def test_a_subject_that_no_stream_takes_is_the_brokers_absence_not_a_fact(facts: Facts) -> None:
    with pytest.raises(BrokerAwayError, match="provisioned"):
        await facts.publish("nowhere.at.all", b"", b"x", patience_s=0)


async def test_the_publisher_tells_taken_from_stored_and_handles_many_at_once(
    nats_server: NatsServer, connect: Connect
) -> None:
    publisher = Publisher(await connect(nats_server.url))
    await publisher.start()
    stored = await asyncio.gather(*(publisher.publish(f"opswire.v1.test.r{n}.plan", b"", b"x") for n in range(300)))
    assert sorted(answer.sequence for answer in stored) == list(range(1, 301))
    assert {answer.stream for answer in stored} == {FACTS}
    with pytest.raises(SubjectTakenError):
        await publisher.publish("opswire.v1.test.r1.plan", b"", b"x")
    assert publisher._waiting == {}


async def test_a_full_stream_is_no_taken_subject(nats_server: NatsServer, connect: Connect) -> None:
    client = await connect(nats_server.url)
    await client.jetstream().add_stream(name="FULL", subjects=["full.*"], max_msgs=1, discard=DiscardPolicy.NEW)
    publisher = Publisher(client)
    await publisher.start()
    await publisher.publish("full.1", b"", b"x")
    with pytest.raises(BrokerAwayError, match="cannot store"):
        await publisher.publish("full.2", b"", b"x")


async def test_an_id_that_somebody_else_used_does_not_cost_the_fact(facts: Facts, upstream: Upstream) -> None:
    await upstream.publish("thief", b"{}", {"Nats-Msg-Id": SUBJECT})
    fact = await facts.publish(SUBJECT, b"", b"mine")
    assert fact.ours
    assert await upstream.stored(SUBJECT) == [b"mine"]


async def test_headers_that_an_upstream_wrote_do_not_hide_a_fact(facts: Facts, upstream: Upstream) -> None:
    await upstream.publish("r2", b"{}", {"Status": "404", "Description": "Message Not Found"})
    found = await facts.read("opswire.v1.test.r2.submitted")
    assert found is not None
    assert found.body == b"{}"
    assert await facts.read("opswire.v1.test.r3.submitted") is None
