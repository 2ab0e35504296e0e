"""`opswire audit` on a trail that an executor's own writer made, before and after somebody tampered with it.

The tampering is real: the stream is deleted and built anew from changed records, as somebody with the broker's disk or
an administrator's account would.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from opswire.chassis.anchors import Anchor, FileAnchors, read_anchors
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.ending import end_all
from opswire.chassis.high_water import HighWater
from opswire.chassis.provision import provision, stream_configs
from opswire.chassis.publisher import Publisher
from opswire.chassis.stream_guard import StreamGuard
from opswire.chassis.stream_reader import StoredMessage, StreamReader
from opswire.chassis.testing.waiting import until
from opswire.chassis.wire import WireClient
from opswire.cli.audit_check import FINDINGS_MAX, Finding, Report
from opswire.cli.testing import CommandLine
from opswire.contracts.audit_recorded.chain import hashed
from opswire.contracts.routes import AUDIT, FACTS
from opswire.executor.adapters.audit_log import AuditLog

Json = dict[str, Any]
COUNT = 6
PREFIX = "opswire.v1.cli.r-"


@dataclass
class Scene:
    """A broker with recorded facts, what lies beside it, and the command line on both."""

    server: NatsServer
    client: WireClient
    opswire: CommandLine
    directory: Path

    async def ask(self, subject: str, body: object) -> Json:
        answer: Json = orjson.loads((await self.client.request(subject, orjson.dumps(body), timeout=5)).data)
        return answer

    async def messages(self, stream: str) -> list[StoredMessage]:
        reader = StreamReader(self.client, stream, [">"])
        found = [message async for batch in reader.to_the_end() for message in batch]
        await reader.close()
        return found

    async def restart(self, change_disk: Callable[[], object]) -> None:
        """The broker stops, its disk is changed, and it starts again."""
        await self.client.close()
        self.server.stop()
        change_disk()
        self.server.start()
        self.client = WireClient()
        await self.client.connect(self.server.url)

    async def store(self, stored: list[tuple[str, bytes]]) -> int:
        """Publish and answer the last sequence."""
        sequence = 0
        publisher = Publisher(self.client)
        await publisher.start()
        for subject, body in stored:
            sequence = (await publisher.publish(subject, b"ce-source: /opswire/assets\r\n", body)).sequence
        return sequence

    async def record(self, *names: str) -> None:
        """Store a fact for each name, each in a record of its own, as an executor does; anchor the end."""
        high_water = HighWater(self.directory)
        high_water.load()
        guard = StreamGuard(self.ask, high_water)
        log = AuditLog(lambda: self.client, self.ask, guard, [FileAnchors(self.directory)], 0.05)
        task = asyncio.create_task(log.follow())
        for name in names:
            last = await self.store([(f"{PREFIX}{name}.submitted", b'{"text": "restart"}')])
            await until(lambda stored=last: log.head.positions.get(FACTS, 0) >= stored)  # type: ignore[misc]
        await until(lambda: any(_is_of(one, log.head.number) for one in read_anchors(self.directory)))
        await end_all([task])

    async def rebuild(self, stream: str, bodies: list[tuple[str, bytes]]) -> None:
        """The stream anew with these messages and nothing else."""
        await self.ask(f"$JS.API.STREAM.DELETE.{stream}", {})
        await provision(self.server.url)
        await self.store(bodies)

    async def verify(self) -> Json:
        result = await asyncio.to_thread(self.opswire.run, "audit", "verify", "--json")
        assert result.status == (0 if result.json["whole"] else 1), result.err
        report: Json = result.json
        return report


def _is_of(one: Anchor | str, entries: int) -> bool:
    return isinstance(one, Anchor) and one.entries == entries


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    with NatsServer(tmp_path / "nats", sync_always=False) as server:
        await provision(server.url)
        client = WireClient()
        await client.connect(server.url)
        state = tmp_path / "state"
        opswire = CommandLine(state, {"OPSWIRE_NATS_URL": server.url})
        made = Scene(server, client, opswire, state / "audit")
        await made.record(*(str(number) for number in range(COUNT)))
        yield made
        await made.client.close()


def kinds(report: Json) -> set[str]:
    return {finding["kind"] for finding in report["findings"]}


def edited(records: list[Json]) -> list[Json]:
    records[2]["entries"][0]["actor"] = "somebody-else"
    return records


def deleted(records: list[Json]) -> list[Json]:
    return records[:2] + records[3:]


def swapped(records: list[Json]) -> list[Json]:
    return [records[0], records[2], records[1], *records[3:]]


def truncated(records: list[Json]) -> list[Json]:
    return records[:-2]


def recomputed(records: list[Json]) -> list[Json]:
    """One entry changed and the whole chain after it made to fit: only the anchors, or the fact itself, can tell."""
    records = edited(records)
    last = records[0]["previous_hash"]
    for record in records:
        record["previous_hash"] = last
        for entry in record["entries"]:
            last = entry["hash"] = hashed(
                last,
                entry["number"],
                entry["stream"],
                entry["sequence"],
                entry["subject"],
                entry.get("type", ""),
                entry["body_digest"],
                entry["headers_digest"],
                entry["actor"],
                entry["at_ns"],
            )
    return records


TAMPERINGS: list[tuple[Callable[[list[Json]], list[Json]], set[str]]] = [
    (edited, {"entry_edited", "fact_differs"}),
    (deleted, {"chain_broken", "entry_out_of_order", "fact_unrecorded"}),
    (swapped, {"chain_broken", "entry_out_of_order", "fact_unrecorded"}),
    (truncated, {"trail_truncated"}),
    (recomputed, {"chain_recomputed", "fact_differs"}),
]


async def test_an_untouched_trail_is_whole(scene: Scene) -> None:
    report = await scene.verify()
    assert (report["whole"], report["entries"], report["compared"]) == (True, COUNT, COUNT)
    assert report["anchors"] >= 1


@pytest.mark.parametrize(("tamper", "expected"), TAMPERINGS, ids=[each.__name__ for each, _ in TAMPERINGS])
async def test_tampering_is_found(scene: Scene, tamper: Callable[[list[Json]], list[Json]], expected: set[str]) -> None:
    records = [json.loads(message.body) for message in await scene.messages(AUDIT)]
    assert len(records) == COUNT
    await scene.rebuild(AUDIT, [("opswire.audit.v1.records", json.dumps(one).encode()) for one in tamper(records)])
    report = await scene.verify()
    # An anchor of the very entry may have been written or not: they come by the clock.
    assert expected <= kinds(report) <= expected | {"entry_deleted"}
    told = await asyncio.to_thread(scene.opswire.run, "audit", "verify")
    assert (told.status, "not whole" in told.out) == (1, True)


async def test_recomputation_after_the_facts_were_changed_too_is_found_by_the_anchors(scene: Scene) -> None:
    """The worst case: facts and trail both rewritten so that they agree with each other."""
    facts = await scene.messages(FACTS)
    await scene.rebuild(FACTS, [(one.subject, one.body.replace(b"restart", b"look at")) for one in facts])
    anchors = scene.directory.rename(scene.directory.with_name("kept-elsewhere"))
    await scene.rebuild(AUDIT, [])
    await scene.record("one-more")
    report = await scene.verify()
    assert report["whole"]
    shutil.rmtree(scene.directory)
    anchors.rename(scene.directory)
    assert kinds(await scene.verify()) == {"chain_recomputed"}


@pytest.mark.parametrize("what", ["changed", "gone", "added"])
async def test_a_fact_that_is_not_as_recorded_is_found(scene: Scene, what: str) -> None:
    facts = [(one.subject, one.body) for one in await scene.messages(FACTS)]
    if what == "changed":
        facts[3] = (facts[3][0], b'{"text": "drop"}')
    elif what == "gone":
        facts = facts[:-1]
    else:
        facts.insert(0, ("opswire.v1.cli.forged.submitted", b"{}"))
    await scene.rebuild(FACTS, facts)
    report = await scene.verify()
    sentences = " ".join(finding["sentence"] for finding in report["findings"])
    assert kinds(report) <= {"fact_differs", "fact_missing"}
    assert {"changed": "body_digest", "gone": "is gone", "added": "subject"}[what] in sentences


async def test_without_anchors_the_verdict_says_what_it_cannot_see(scene: Scene) -> None:
    shutil.rmtree(scene.directory)
    report = await scene.verify()
    assert report["whole"]
    assert any("no anchors" in note for note in report["notes"])


async def test_damage_to_a_record_or_an_anchor_is_told_and_the_rest_is_checked(scene: Scene) -> None:
    bodies = [message.body for message in await scene.messages(AUDIT)]
    bodies[1] = b"{"
    await scene.rebuild(AUDIT, [("opswire.audit.v1.records", body) for body in bodies])
    anchors = scene.directory / "anchors.jsonl"
    anchors.write_text("not JSON\n" + anchors.read_text())
    report = await scene.verify()
    assert {"record_unreadable", "anchor_unreadable", "chain_broken"} <= kinds(report)
    assert report["entries"] == COUNT - 1


async def test_entries_are_listed_shown_and_exported(scene: Scene) -> None:
    def run(*arguments: str) -> Any:
        return scene.opswire.run("audit", *arguments)

    newest = await asyncio.to_thread(run, "list", "--limit", "2", "--json")
    assert [one["number"] for one in newest.json["entries"]] == [COUNT - 1, COUNT]
    shown = await asyncio.to_thread(run, "show", "r-3")
    assert "submitted" in shown.out
    assert PREFIX not in shown.out
    assert "cli" in shown.out
    missing = await asyncio.to_thread(run, "show", "nobody", "--json")
    assert (missing.status, missing.json["error"]["code"]) == (4, "not_found")
    exported = await asyncio.to_thread(run, "export")
    lines = [json.loads(line) for line in exported.out.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, COUNT + 1))
    file = scene.directory.parent / "trail.jsonl"
    written = await asyncio.to_thread(run, "export", "--to", str(file), "--json")
    assert written.json == {"path": str(file), "entries": COUNT}
    assert (file.read_text(), file.stat().st_mode & 0o777) == (exported.out, 0o600)
    nowhere = await asyncio.to_thread(run, "export", "--to", str(file / "below"))
    assert (nowhere.status, "cannot be written" in nowhere.err) == (1, True)
    assert "Nothing is lost" in (await asyncio.to_thread(run, "accept-loss", "--reason", "none")).out
    wrong = await asyncio.to_thread(run, "verify", "--anchors", str(scene.directory / "none"))
    assert (wrong.status, "no directory" in wrong.err) == (2, True)


async def test_a_restored_broker_is_told_accepted_by_name_and_whole_again(scene: Scene, tmp_path: Path) -> None:
    store = scene.server.store_dir / "jetstream"
    await scene.restart(lambda: shutil.copytree(store, tmp_path / "copy"))
    await scene.record("lost-1", "lost-2")
    await scene.restart(lambda: (shutil.rmtree(store), shutil.copytree(tmp_path / "copy", store)))
    assert kinds(await scene.verify()) == {"trail_truncated"}
    accepted = await asyncio.to_thread(
        scene.opswire.run, "audit", "accept-loss", "--reason", "an old disk", "--as", "dana", "--json"
    )
    assert {one["stream"] for one in accepted.json["accepted"]} == {FACTS, AUDIT}
    await scene.record("new")
    report = await scene.verify()
    assert (report["findings"], report["whole"]) == ([], True)
    assert any("dana accepted" in note for note in report["notes"])
    assert "dana" in (await asyncio.to_thread(scene.opswire.run, "audit", "list")).out


def test_a_report_keeps_a_hundred_findings_and_counts_all() -> None:
    report = Report()
    for number in range(FINDINGS_MAX + 5):
        report.add(Finding("entry_edited", "changed", sequence=number))
    assert (len(report.findings), report.found, report.is_whole) == (FINDINGS_MAX, FINDINGS_MAX + 5, False)


def test_the_trail_cannot_lose_single_messages() -> None:
    config = next(one for one in stream_configs(1) if one["name"] == AUDIT)
    assert (config["deny_delete"], config["deny_purge"], config["discard"]) == (True, True, "new")
    assert "max_age" not in config
