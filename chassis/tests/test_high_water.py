"""The mark outside the broker: a broker that went back to an older copy of its disk is found."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from opswire.chassis.anchors import Anchor, FileAnchors, read_anchors
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.high_water import (
    HIGH_WATER_FILE,
    HighWater,
    Mark,
    Place,
    StreamBehindError,
    append_durably,
    read_losses,
)
from opswire.chassis.provision import provision
from opswire.chassis.publisher import BrokerAwayError, Publisher
from opswire.chassis.stream_guard import StreamGuard
from opswire.chassis.wire import WireClient
from opswire.contracts.routes import FACTS

Connect = Callable[..., Awaitable[WireClient]]
BOTH = 4
"""Questions of two checks: where the stream ends, and what it holds at the mark."""


class Writer:
    """Somebody who stores facts, and the guard that watches over them."""

    def __init__(self, client: WireClient, directory: Path) -> None:
        self.client = client
        self.publisher = Publisher(client)
        self.high_water = HighWater(directory)
        self.high_water.load()
        self.guard = StreamGuard(self.ask, self.high_water)

    async def ask(self, subject: str, body: object) -> dict[str, Any]:
        reply = await self.client.request(subject, orjson.dumps(body), timeout=5)
        answer: dict[str, Any] = orjson.loads(reply.data)
        return answer

    async def store(self, *names: str) -> int:
        """Store facts and note the last as the audit's reader does, with the broker's time."""
        if not self.publisher._prefix:
            await self.publisher.start()
        for name in names:
            stored = await self.publisher.publish(f"opswire.v1.test.{name}.submitted", b"", b"{}")
        found = await self.ask(f"$JS.API.STREAM.INFO.{FACTS}", {})
        self.high_water.saw(FACTS, stored.sequence, (await self.guard.place(FACTS)).last.stored_ns)
        assert found["state"]["last_seq"] == stored.sequence
        return stored.sequence


async def test_a_mark_that_rises_while_the_stream_is_asked_is_no_loss(nats_server: NatsServer, tmp_path: Path) -> None:
    """The audit's reader notes new messages all the time, also between a question and its answer."""
    client = await nats.connect(nats_server.url)
    answers: list[dict[str, Any]] = []

    async def ask(subject: str, body: object) -> dict[str, Any]:
        reply = await client.request(subject, orjson.dumps(body), timeout=5)
        answers.append(orjson.loads(reply.data))
        stored = await client.jetstream().publish(f"opswire.v1.test.later-{len(answers)}.submitted", b"{}")
        high_water.saw(FACTS, stored.seq, 1_000_000_000)
        return answers[-1]

    high_water = HighWater(tmp_path)
    guard = StreamGuard(ask, high_water)
    stored = await client.jetstream().publish("opswire.v1.test.first.submitted", b"{}")
    high_water.saw(FACTS, stored.seq)
    await guard.check()
    assert (guard.state, len(answers)) == ("ok", 1)
    await client.close()


async def test_a_loss_that_another_check_adopts_meanwhile_is_none_for_this_one(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    """The audit trail checks beside the changes: who comes second judges by the mark that the first went back to."""
    client = await nats.connect(nats_server.url)
    both_asked, asked = asyncio.Event(), 0

    async def ask(subject: str, body: object) -> dict[str, Any]:
        nonlocal asked
        reply = await client.request(subject, orjson.dumps(body), timeout=5)
        asked += 1
        if asked >= BOTH:
            both_asked.set()
        await both_asked.wait()
        answer: dict[str, Any] = orjson.loads(reply.data)
        return answer

    high_water = HighWater(tmp_path)
    high_water.saw(FACTS, 9, 1_000_000_000)
    high_water.accept(FACTS, Mark(0), "dana", "an old disk")
    guard = StreamGuard(ask, high_water)
    await asyncio.gather(guard.check(), guard.check())
    assert (guard.state, high_water.mark(FACTS)) == ("ok", Mark(0))
    await client.close()


async def restored(server: NatsServer, copy: Path) -> None:
    """The server's disk becomes an older copy of itself."""
    server.stop()
    shutil.rmtree(server.store_dir / "jetstream")
    shutil.copytree(copy / "jetstream", server.store_dir / "jetstream")
    server.start()


@pytest.fixture
async def writer(tmp_path: Path, connect: Connect) -> Any:
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        made = Writer(await connect(server.url), tmp_path / "audit")
        made.server = server  # type: ignore[attr-defined]
        yield made


async def reconnected(writer: Any, connect: Connect, directory: Path) -> Writer:
    """A process that starts anew beside the same file."""
    return Writer(await connect(writer.server.url), directory)


async def test_a_broker_restored_from_an_older_copy_is_found_until_a_person_accepts_the_loss(
    writer: Any, connect: Connect, tmp_path: Path
) -> None:
    await writer.store("a", "b")
    writer.server.stop()
    shutil.copytree(writer.server.store_dir, tmp_path / "copy")
    writer.server.start()
    again = await reconnected(writer, connect, tmp_path / "audit")
    last = await again.store("c", "d")
    await again.guard.keep(FACTS, last)
    await again.guard.check()
    await restored(writer.server, tmp_path / "copy")

    started = await reconnected(writer, connect, tmp_path / "audit")
    with pytest.raises(StreamBehindError, match=r"OPSWIRE_FACTS ends at 2 and had acknowledged 4"):
        await started.guard.check()
    assert "accept-loss" in started.guard.state

    told: list[str] = []
    started.high_water.on_loss_accepted.append(lambda loss: told.append(loss.person))
    by_hand = HighWater(tmp_path / "audit")
    by_hand.load()
    by_hand.accept(FACTS, (await started.guard.place(FACTS)).last, "dana", "the disk was replaced")
    await started.guard.check()
    assert (started.guard.state, told) == ("ok", ["dana"])
    assert started.high_water.mark(FACTS).sequence == 2


async def test_a_restored_broker_that_has_grown_past_the_mark_is_found_by_what_stands_there(
    writer: Any, connect: Connect, tmp_path: Path
) -> None:
    await writer.store("a")
    writer.server.stop()
    shutil.copytree(writer.server.store_dir, tmp_path / "copy")
    writer.server.start()
    again = await reconnected(writer, connect, tmp_path / "audit")
    await again.guard.keep(FACTS, await again.store("b"))
    await restored(writer.server, tmp_path / "copy")
    other = Writer(await connect(writer.server.url), tmp_path / "elsewhere")
    assert await other.store("x", "y", "z") == 4
    started = await reconnected(writer, connect, tmp_path / "audit")
    with pytest.raises(StreamBehindError, match="holds another message at 2"):
        await started.guard.check()


async def test_a_stream_that_is_gone_is_behind_and_a_broker_that_is_away_is_away(
    writer: Any, connect: Connect, tmp_path: Path
) -> None:
    await writer.guard.check()  # nothing is known yet: a first start
    await writer.guard.keep(FACTS, await writer.store("a"))
    await writer.ask(f"$JS.API.STREAM.DELETE.{FACTS}", {})
    with pytest.raises(StreamBehindError, match="ends at 0"):
        await writer.guard.check()
    writer.server.stop()
    with pytest.raises(BrokerAwayError):
        await writer.guard.check()


def test_marks_only_rise_and_outlive_the_process(tmp_path: Path) -> None:
    first = HighWater(tmp_path)
    first.load()
    first.saw(FACTS, 7, 70)
    first.saw(FACTS, 5, 50)
    first.keep()
    second = HighWater(tmp_path)
    second.load()
    assert second.mark(FACTS) == Mark(7, 70)
    assert second.streams == [FACTS]
    written = (tmp_path / HIGH_WATER_FILE).stat()
    second.keep()
    assert (tmp_path / HIGH_WATER_FILE).stat().st_mtime_ns == written.st_mtime_ns
    assert written.st_mode & 0o077 == 0


def test_messages_that_expired_are_no_loss_and_purged_ones_are(tmp_path: Path) -> None:
    marks = HighWater(tmp_path)
    old_ns = time.time_ns() - 91 * 86_400 * 10**9
    marks.saw(FACTS, 5, old_ns)
    marks.check(FACTS, Place(Mark(5, old_ns), first_sequence=6))
    marks.saw(FACTS, 6, time.time_ns())
    with pytest.raises(StreamBehindError):
        marks.check(FACTS, Place(Mark(6, 1), first_sequence=7))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"marks": {"A": 1}}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_stops_changes_until_somebody_accepts(tmp_path: Path, content: bytes) -> None:
    before = HighWater(tmp_path)
    before.saw(FACTS, 5, 1)
    before.accept(FACTS, Mark(3, 1), "dana", "long ago")
    (tmp_path / HIGH_WATER_FILE).write_bytes(content)
    marks = HighWater(tmp_path)
    marks.load()
    place = Place(Mark(9, 9))
    with pytest.raises(StreamBehindError, match="cannot be read"):
        marks.check(FACTS, place)
    marks.accept(FACTS, place.last, "dana", "the file was damaged")
    marks.check(FACTS, place)
    assert json.loads((tmp_path / HIGH_WATER_FILE).read_bytes())["marks"] == {FACTS: [9, 9]}


def test_an_acceptance_counts_once_and_only_for_what_was_known_then(tmp_path: Path) -> None:
    marks = HighWater(tmp_path)
    marks.load()
    marks.saw(FACTS, 100, 1_000)
    marks.keep()
    marks.accept(FACTS, Mark(80, 800), "dana", "restored")
    marks.check(FACTS, Place(Mark(80, 800), at_mark_ns=None))
    marks.saw(FACTS, 90, 900)
    marks.keep()
    again = HighWater(tmp_path)
    again.load()
    with pytest.raises(StreamBehindError):
        again.check(FACTS, Place(Mark(85, 850)))
    marks.saw(FACTS, 200, 2_000)
    again.accept(FACTS, Mark(85, 850), "dana", "restored again")
    with pytest.raises(StreamBehindError, match="had acknowledged 200"):
        marks.check(FACTS, Place(Mark(85, 850)))  # it knew of more than was accepted


def test_a_line_that_a_crash_cut_short_spoils_neither_the_next_nor_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "losses_accepted.jsonl"
    path.write_text('{"stream": "OPS')
    marks = HighWater(tmp_path)
    marks.accept(FACTS, Mark(1), "dana", "tried")
    append_durably(path, "not JSON")
    assert [loss.person for loss in read_losses(path)] == ["dana"]
    assert path.read_text().count("\n") == 3


def test_anchors_are_kept_in_order_over_several_files(tmp_path: Path) -> None:
    anchors = [Anchor(number, number * 3, "ab" * 32, {FACTS: number}, number) for number in range(1, 60)]
    kept = FileAnchors(tmp_path, file_bytes_max=1_000, files_max=2)
    for anchor in anchors:
        kept.write(anchor)
    found = list(read_anchors(tmp_path))
    assert found == anchors[-len(found) :]
    assert 3 <= len(found) < 59
    assert len(list(tmp_path.iterdir())) == 3


def test_an_anchor_that_cannot_be_read_is_told_and_a_torn_last_line_is_none(tmp_path: Path) -> None:
    kept = FileAnchors(tmp_path)
    kept.write(Anchor(1, 1, "ab" * 32, {}, 1))
    path = tmp_path / "anchors.jsonl"
    path.write_text(path.read_text() + "{}\n" + '{"sequence": 2')
    found = list(read_anchors(tmp_path))
    assert found[1:] == ["anchors.jsonl:2 cannot be read"]
    kept.write(Anchor(3, 3, "ab" * 32, {}, 3))
    assert [one.sequence for one in read_anchors(tmp_path) if isinstance(one, Anchor)] == [1, 3]
