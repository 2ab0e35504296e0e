"""The audit trail's writer: every fact once, in one chain, whoever else writes and whatever the broker does."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from opswire.chassis.anchors import Anchor, FileAnchors, read_anchors
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.ending import end_all
from opswire.chassis.high_water import HighWater, StreamBehindError
from opswire.chassis.provision import MESSAGE_BYTES_MAX, provision
from opswire.chassis.publisher import Publisher
from opswire.chassis.stream_guard import StreamGuard
from opswire.chassis.stream_reader import StoredMessage, StreamReader
from opswire.chassis.testing.waiting import until
from opswire.chassis.wire import WireClient
from opswire.contracts.audit_recorded import AuditEntry, AuditRecorded
from opswire.contracts.audit_recorded.chain import BEGINNING, LOSS_ACCEPTED_SUBJECT, digest_of, hash_of
from opswire.contracts.audit_recorded.sources import Observed, actor_of, observe
from opswire.contracts.routes import AUDIT, CHANGES, FACTS, PARKED, ROUTES
from opswire.executor.adapters.audit_log import AuditLog
from opswire.executor.usecases.audit import LOSS_TYPE, RECORD_BYTES_MAX, Head, head_of, loss_accepted, next_record

KEY = "U" + "A" * 55


@dataclass
class Executor:
    """One process that records, as far as the trail is concerned."""

    client: WireClient
    directory: Path
    log: AuditLog = field(init=False)
    guard: StreamGuard = field(init=False)

    def __post_init__(self) -> None:
        high_water = HighWater(self.directory)
        high_water.load()
        self.guard = StreamGuard(self.ask, high_water)
        self.log = AuditLog(lambda: self.client, self.ask, self.guard, [FileAnchors(self.directory)], 0.05)

    async def ask(self, subject: str, body: object) -> dict[str, Any]:
        reply = await self.client.request(subject, orjson.dumps(body), timeout=5)
        answer: dict[str, Any] = orjson.loads(reply.data)
        return answer


@asynccontextmanager
async def recording(url: str, directory: Path) -> AsyncIterator[Executor]:
    client = WireClient()
    await client.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.02, error_cb=quiet)
    executor = Executor(client, directory)
    task = asyncio.create_task(executor.log.follow())
    try:
        yield executor
    finally:
        await end_all([task])
        await client.close()


async def quiet(_: Exception) -> None:
    return


async def store(url: str, subjects: dict[str, bytes], headers: bytes = b"") -> None:
    client = WireClient()
    await client.connect(url, error_cb=quiet)
    publisher = Publisher(client)
    await publisher.start()
    await asyncio.gather(*(publisher.publish(subject, headers, body) for subject, body in subjects.items()))
    await client.close()


def submitted(count: int, prefix: str = "r") -> dict[str, bytes]:
    return {f"opswire.v1.test.{prefix}-{number}.submitted": b"{}" for number in range(count)}


async def trail(client: WireClient) -> list[AuditEntry]:
    """Every entry, after the chain was recomputed link by link."""
    entries: list[AuditEntry] = []
    last = BEGINNING
    async for batch in StreamReader(client, AUDIT, [">"]).to_the_end():
        for message in batch:
            record = AuditRecorded.from_bytes(message.body)
            assert record.previous_hash == last
            for entry in record.entries:
                assert entry.number == len(entries) + 1
                assert hash_of(last, entry) == entry.hash
                last = entry.hash
                entries.append(entry)
    return entries


async def everything(client: WireClient, stream: str) -> list[StoredMessage]:
    return [message async for batch in StreamReader(client, stream, [">"]).to_the_end() for message in batch]


async def recorded(executor: Executor, stream: str, sequence: int) -> None:
    await until(lambda: executor.log.head.positions.get(stream, 0) >= sequence)


async def test_every_state_change_is_recorded_with_what_was_stored(nats_server: NatsServer, tmp_path: Path) -> None:
    facts = submitted(3) | {"opswire.v1.test.r-0.finished": b'{"status": "completed"}'}
    async with recording(nats_server.url, tmp_path / "audit") as executor:
        await store(nats_server.url, facts, b"ce-type: opswire.x.v1\r\nce-source: /opswire/assets\r\n")
        await store(
            nats_server.url,
            {
                "opswire.changes.v1.mode": json.dumps({"mode": "stopped", "person": KEY}).encode(),
                "opswire.changes.v1.invalidated": b"{}",
                "opswire.changes.v1.asset.a-1": b"{}",
                "opswire.parked.v1.intent.p-1": b"{}",
            },
        )
        await asyncio.gather(*(recorded(executor, *one) for one in ((FACTS, 4), (CHANGES, 3), (PARKED, 1))))
        entries = await trail(executor.client)
        stored = {(FACTS, one.sequence): one for one in await everything(executor.client, FACTS)}
    seen = {(entry.stream, entry.sequence): entry for entry in entries}
    assert len(seen) == len(entries) == 7
    for key, message in stored.items():
        entry = seen[key]
        assert (entry.subject, entry.at_ns) == (message.subject, message.stored_ns)
        assert entry.body_digest == digest_of(message.body)
    actors = {entry.subject: entry.actor for entry in entries}
    assert actors["opswire.v1.test.r-0.finished"] == "assets"
    assert actors["opswire.v1.test.r-1.submitted"] == "test"
    assert (actors["opswire.changes.v1.mode"], actors["opswire.parked.v1.intent.p-1"]) == (
        KEY,
        "intent|assets|executor|cache",
    )


async def test_several_executors_make_one_chain_and_record_nothing_twice(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with (
        recording(nats_server.url, tmp_path / "one") as one,
        recording(nats_server.url, tmp_path / "two") as two,
        recording(nats_server.url, tmp_path / "three") as three,
    ):
        for round_number in range(4):
            await store(nats_server.url, submitted(150, f"round-{round_number}"))
            # Whoever is first: the next round begins when somebody has recorded some of this one.
            await until(lambda: max(each.log.head.number for each in (one, two, three)) > 0)
        await asyncio.gather(*(recorded(each, FACTS, 600) for each in (one, two, three)))
        entries = await trail(one.client)
    assert [entry.sequence for entry in entries] == list(range(1, 601))


async def test_recording_goes_on_after_the_broker_was_killed(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        async with recording(server.url, tmp_path / "audit") as executor:
            await store(server.url, submitted(10, "before"))
            await recorded(executor, FACTS, 10)
            server.kill()
            server.start()
            await store(server.url, submitted(10, "after"))
            await recorded(executor, FACTS, 20)
            assert len(await trail(executor.client)) == 20


async def test_an_executor_that_starts_later_records_what_was_stored_meanwhile(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    await store(nats_server.url, submitted(5, "first"))
    async with recording(nats_server.url, tmp_path / "audit") as executor:
        await recorded(executor, FACTS, 5)
    await store(nats_server.url, submitted(1_000, "second"))
    async with recording(nats_server.url, tmp_path / "audit") as executor:
        await recorded(executor, FACTS, 1_005)
        assert len(await trail(executor.client)) == 1_005


async def test_the_head_is_anchored_outside_the_broker(nats_server: NatsServer, tmp_path: Path) -> None:
    async with recording(nats_server.url, tmp_path / "audit") as executor:
        await store(nats_server.url, submitted(3))
        await recorded(executor, FACTS, 3)
        await until(
            lambda: any(one.entries == 3 for one in read_anchors(tmp_path / "audit") if isinstance(one, Anchor))
        )
        last = list(read_anchors(tmp_path / "audit"))[-1]
        entries = await trail(executor.client)
        assert isinstance(last, Anchor)
        assert (last.head, last.covered) == (entries[-1].hash, {FACTS: 3})
        kept = HighWater(tmp_path / "audit")
        await until(lambda: (kept.load(), kept.mark(AUDIT))[1] is not None)
        assert kept.mark(FACTS).sequence == 3  # type: ignore[union-attr]


async def test_a_restored_broker_stops_the_trail_until_the_loss_is_accepted_and_the_acceptance_is_an_entry(
    tmp_path: Path,
) -> None:
    audit = tmp_path / "audit"
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        await store(server.url, submitted(2, "old"))
        server.stop()
        shutil.copytree(tmp_path / "nats" / "jetstream", tmp_path / "copy")
        server.start()
        async with recording(server.url, audit) as executor:
            await store(server.url, submitted(3, "lost"))
            await recorded(executor, FACTS, 5)
            await executor.guard.keep(FACTS, 5)
        server.stop()
        shutil.rmtree(tmp_path / "nats" / "jetstream")
        shutil.copytree(tmp_path / "copy", tmp_path / "nats" / "jetstream")
        server.start()
        async with recording(server.url, audit) as executor:
            await until(lambda: "had acknowledged 5" in executor.log.state)
            with pytest.raises(StreamBehindError):
                await executor.guard.check()
            await store(server.url, submitted(1, "new"))
            by_hand = HighWater(audit)
            by_hand.load()
            for stream in by_hand.streams:
                by_hand.accept(stream, (await executor.guard.place(stream)).last, "dana", "an old disk")
            await recorded(executor, FACTS, 3)
            entries = await trail(executor.client)
            await executor.guard.check()
    accepted = [entry for entry in entries if entry.subject == LOSS_ACCEPTED_SUBJECT]
    assert {entry.actor for entry in accepted} == {"dana"}
    assert {entry.subject for entry in entries if entry.stream == FACTS and entry not in accepted} == {
        "opswire.v1.test.old-0.submitted",
        "opswire.v1.test.old-1.submitted",
        "opswire.v1.test.new-0.submitted",
    }


def seen(sequence: int, stream: str = FACTS, subject: str = "opswire.v1.a.b.submitted") -> Observed:
    return observe(stream, sequence, subject, sequence, b"{}", {})


def test_a_record_leaves_out_what_is_recorded_and_takes_no_more_than_fits() -> None:
    head = Head(4, 9, "ab" * 32, {FACTS: 2, PARKED: 7})
    record = next_record(head, [seen(1), seen(2), seen(3), seen(7, PARKED), seen(8, PARKED), seen(3)], "e", 5)
    assert record is not None
    assert [(entry.number, entry.stream, entry.sequence) for entry in record.entries] == [
        (10, FACTS, 3),
        (11, PARKED, 8),
    ]
    after = head_of(record, 5)
    assert (after.number, after.positions) == (11, {FACTS: 3, PARKED: 8})
    assert next_record(after, [seen(3), seen(8, PARKED)], "e", 5) is None
    many = next_record(Head(), [seen(number) for number in range(1, 500)], "e", 5)
    assert many is not None
    assert len(many.entries) == 200
    long = [seen(number, subject="opswire." + "\U0001f600" * 4_000) for number in range(1, 300)]
    bounded = next_record(Head(), long, "e", 5)
    assert bounded is not None
    assert 1 <= len(bounded.entries) < 200
    assert len(bounded.to_bytes()) <= RECORD_BYTES_MAX < MESSAGE_BYTES_MAX


def test_an_accepted_loss_takes_the_position_back() -> None:
    head = Head(4, 9, "ab" * 32, {FACTS: 100})
    loss = loss_accepted(FACTS, 80, "dana", 7, {"why": "an old disk"})
    record = next_record(head, [loss, seen(81), seen(82)], "e", 5)
    assert record is not None
    assert [(entry.type, entry.sequence) for entry in record.entries] == [(LOSS_TYPE, 80), ("", 81), ("", 82)]
    assert head_of(record, 5).positions == {FACTS: 82}


@pytest.mark.parametrize(
    ("subject", "source", "body", "actor"),
    [
        ("opswire.v1.slack.r.submitted", "/opswire/executor", b"", "slack"),
        ("opswire.v1.slack.r.cancel", None, b"", "slack"),
        ("opswire.v1.slack.r.plan", "/forged", b"", "executor"),
        (f"opswire.v1.slack.r.approval.1.given.{KEY}", None, b"", KEY),
        ("opswire.v1.slack.r.finished", "/opswire/intent", b"", "intent"),
        ("opswire.v1.slack.r.finished", "/opswire/dana", b"", "intent|assets|executor"),
        (f"opswire.v1.slack.r.step.2.resolved.{KEY}", None, b"", KEY),
        ("opswire.changes.v1.mode", None, b'{"person": 7}', "person"),
        ("opswire.changes.v1.mode", None, b"[" * 100_000, "person"),
        ("opswire.v1.slack.r.something", None, b"", "unknown"),
        ("", None, b"", "unknown"),
    ],
)
def test_the_actor_is_who_may_write_there_or_whom_the_message_names(
    subject: str, source: str | None, body: bytes, actor: str
) -> None:
    assert actor_of(subject, source, body) == actor


def test_every_stored_fact_has_an_actor() -> None:
    subjects = [route.subject(**dict.fromkeys(route.variables(route.wildcard), "x")) for route in ROUTES]
    unknown = {
        route.stem
        for route, subject in zip(ROUTES, subjects, strict=True)
        if route.stream == FACTS and actor_of(subject, None, b"") == "unknown"
    }
    assert unknown == set()
