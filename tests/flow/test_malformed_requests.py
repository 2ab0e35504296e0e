"""Malformed bodies, subjects and headers: each is refused with a code or parked byte for byte, and nothing is hurt."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from malformed import ANSWERED, PARKED, REFUSED, SOURCE, UNSEEN, Case
from malformed_cases import all_cases
from nats.aio.msg import Msg
from opswire.chassis.testing.system import SERVICES, System
from opswire.chassis.testing.upstream import Upstream
from raw_nats import RawNats, Reply

SEED = int(os.environ.get("OPSWIRE_MALFORMED_SEED", str(random.SystemRandom().randrange(1_000_000))))
BLOCK = 25
SETTLED_WITHIN_S = 20.0
CASES_MIN = 300


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One running system for all cases."""
    with System(tmp_path_factory.mktemp("system")) as running:
        yield running


Place = tuple[str, int | None]
"""Stream and sequence."""


class Watcher:
    """What appears in the streams: parked records by the place of their message, outcomes by request id."""

    def __init__(self) -> None:
        self.parked: dict[Place, dict[str, Any]] = {}
        self.finished: dict[str, dict[str, Any]] = {}
        self.records = 0
        self._changed = asyncio.Condition()

    async def on_parked(self, message: Msg) -> None:
        """Note a parked record."""
        record = json.loads(message.data)
        async with self._changed:
            self.records += 1
            self.parked[record["stream"], record["stream_sequence"]] = record
            self._changed.notify_all()

    async def on_finished(self, message: Msg) -> None:
        """Note an outcome."""
        async with self._changed:
            self.finished[message.subject.split(".")[3]] = json.loads(message.data)
            self._changed.notify_all()

    async def until(self, settled: Callable[[], bool]) -> bool:
        """Wait until `settled`; False when it is not in time."""
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S), self._changed:
                await self._changed.wait_for(settled)
        except TimeoutError:
            return False
        return True

    def is_settled(self, case: Case, reply: Reply) -> bool:
        """Whether everything that is owed for a stored case is there."""
        is_finished = case.request_id in self.finished
        if (ANSWERED in case.ends and is_finished) or UNSEEN in case.ends:
            return True
        return place_of(case, reply) in self.parked and (is_finished or not case.has_finish)


def place_of(case: Case, reply: Reply) -> Place:
    """Where the broker stored a case."""
    return "OPSWIRE_CHANGES" if case.reader == "cache" else "OPSWIRE_FACTS", reply.sequence


@asynccontextmanager
async def watching(upstream: Upstream) -> AsyncIterator[Watcher]:
    """Watch both streams from their beginning."""
    watcher, jetstream = Watcher(), upstream.client.jetstream()
    finished = f"opswire.v1.{SOURCE}.*.finished"
    parked = await jetstream.subscribe(
        "opswire.parked.v1.>", stream="OPSWIRE_PARKED", cb=watcher.on_parked, ordered_consumer=True
    )
    outcomes = await jetstream.subscribe(
        finished, stream="OPSWIRE_FACTS", cb=watcher.on_finished, ordered_consumer=True
    )
    try:
        yield watcher
    finally:
        await parked.unsubscribe()
        await outcomes.unsubscribe()


def faults_of(case: Case, reply: Reply, watcher: Watcher) -> list[str]:
    """What is not as promised for one case, one sentence each."""
    if reply.code is not None:
        return [] if REFUSED in case.ends and reply.code in case.codes else [f"refused with {reply.code}"]
    if case.ends == {REFUSED}:
        return [f"stored as {reply.sequence}, not refused"]
    record, outcome = watcher.parked.get(place_of(case, reply)), watcher.finished.get(case.request_id)
    if record is None:
        if outcome is None and UNSEEN in case.ends:
            return []
        if outcome is None:
            return ["neither parked nor answered"]
        return [] if ANSWERED in case.ends else [f"answered {outcome['status']} {outcome.get('reason')}, not parked"]
    faults = [] if PARKED in case.ends else [f"parked as {record['code']}: {record['detail'][:200]}"]
    if case.codes and record["code"] not in case.codes:
        faults.append(f"parked as {record['code']}, wanted {sorted(case.codes)}")
    if base64.b64decode(record["body_base64"]) != case.body:
        faults.append("the parked bytes are not the original ones")
    subject = case.subject.decode("utf-8", "backslashreplace")[:1_000]
    if (record["service"], record["subject"]) != (case.reader, subject):
        faults.append(f"parked by {record['service']} as of {record['subject'][:100]}")
    if record["headers"] != headers_of(case):
        faults.append(f"parked with the headers {str(record['headers'])[:200]}")
    return faults + outcome_faults(case, record, outcome)


def headers_of(case: Case) -> dict[str, str]:
    """The headers of a case whose block is well-formed; all that are parked are."""
    lines = case.headers.decode().split("\r\n")[1:-2]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def outcome_faults(case: Case, record: dict[str, Any], outcome: dict[str, Any] | None) -> list[str]:
    """What is wrong with the outcome of a parked case."""
    if outcome is None:
        return ["parked without an outcome"] if case.has_finish else []
    if not case.has_finish:
        return ["an outcome where no id can be known"]
    if (outcome["request_id"], outcome["status"]) != (case.request_id, "rejected"):
        return [f"the outcome is {outcome['status']} for {outcome['request_id']}"]
    return [] if outcome["reason"] == record["code"] else [f"the outcome says {outcome['reason']}"]


async def play_block(block: list[Case], raw: RawNats, upstream: Upstream, watcher: Watcher) -> dict[str, Reply]:
    """Publish a block of cases, then see a good request answered and every case settled."""
    replies = {case.name: await raw.publish(case.subject, case.body, case.headers, case.reply) for case in block}
    outcome = await upstream.ask("help", timeout_s=SETTLED_WITHIN_S)
    assert outcome["status"] == "completed", f"the good request after {block[-1].name!r} ended {outcome}"
    stored = [case for case in block if replies[case.name].code is None and case.ends != {REFUSED}]
    await watcher.until(lambda: all(watcher.is_settled(case, replies[case.name]) for case in stored))
    return replies


@pytest.mark.timeout(240)
async def test_every_malformed_input_is_refused_or_parked_and_hurts_nobody(system: System) -> None:
    cases = all_cases(SEED)
    assert len([case for case in cases if case.ends != {ANSWERED}]) >= CASES_MIN
    pids, begun = system.pids(), time.monotonic()
    replies: dict[str, Reply] = {}
    raw = RawNats(system.nats.port)
    async with Upstream(system.nats.url, "good") as upstream, watching(upstream) as watcher:
        for first in range(0, len(cases), BLOCK):
            replies |= await play_block(cases[first : first + BLOCK], raw, upstream, watcher)
        faults = {case.name: found for case in cases if (found := faults_of(case, replies[case.name], watcher))}
        assert not faults, f"OPSWIRE_MALFORMED_SEED={SEED}\n" + "\n".join(f"{n}: {f}" for n, f in faults.items())
        stored = [case for case in cases if replies[case.name].code is None]
        finished = [case for case in stored if case.request_id in watcher.finished]
        parked = [case for case in stored if place_of(case, replies[case.name]) in watcher.parked]
        unseen = [case for case in stored if UNSEEN in case.ends and case not in parked]
        parked_only = [case for case in parked if case not in finished]
        assert len(stored) == len(finished) + len(parked_only) + len(unseen)
        assert len(parked) == len(watcher.parked), "something else was parked"
        assert watcher.records == len(watcher.parked), "a message was parked twice"
        state = (await upstream.client.jetstream().stream_info("OPSWIRE_PARKED")).state
        assert state.messages == watcher.records, "parked records are gone"
        assert (await upstream.ask("help"))["status"] == "completed"
    raw.close()
    assert system.pids() == pids
    assert all(system.is_running(name) and system.is_ready(name) for name in SERVICES)
    print(  # noqa: T201  what a run was worth
        f"{len(cases)} cases in {time.monotonic() - begun:.1f} s: {len(cases) - len(stored)} refused, "
        f"{len(watcher.parked)} parked ({len(parked_only)} of them without an id to answer), {len(finished)} finished; "
        f"codes {dict(Counter(record['code'] for record in watcher.parked.values()))}"
    )
