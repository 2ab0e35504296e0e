"""Two hundred milliseconds in each stage in turn, put into what the running system recorded: named first in every case.

A delay is put in by stopping time inside a piece of the stage on the critical path: all that spans the moment grows,
all that is later moves. Where fewer than one request in seven passes through a stage, it is recorded inside the longest
work of those that do not.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until
from opswire.ledger.account import account
from opswire.ledger.many.difference import difference
from opswire.ledger.many.sample import sample_of
from opswire.ledger.model import Span
from opswire.ledger.rows.model import RequestRow
from opswire.ledger.stages import Stage
from opswire.ledger.store import create, read_request
from opswire.ledger.testing import is_whole
from row_samples import booked, delayed

INVENTORY = Path(__file__).parents[2] / "tests" / "data" / "inventory.yaml"
TEXTS = ("what can you do?", "list all servers in production", "what's the ip of web-01", "book me a table for two")
ROUNDS = 30
RARE = 1 / 7
DELAY_NS = 200_000_000
WORK = ("intent.compute", "assets.compute", "executor.compute", "tool.run")
RESTART = '{"intent": "service.restart", "entities": [], "confidence": 90, "risk": "MEDIUM", "reason": "clear"}'
TIMING = {"time_to_first_token_ms": 1.0, "generation_time_ms": 2.0, "queue_time_ms": 0.5}


async def recorded_load(system: System, store: Path) -> dict[str, list[Span]]:
    async with Upstream(system.nats.url) as upstream:
        for text in TEXTS:  # what is loaded at first is no part of what is compared
            await upstream.ask(text)
        ids = []
        for number in range(ROUNDS):
            for text in (*TEXTS, f"erfrisch mir doch mal das Ding {number}"):
                ids.append(await upstream.submit(text))
            await asyncio.gather(*(upstream.outcome(request_id) for request_id in ids[-len(TEXTS) - 1 :]))
    keys = [f"test/{request_id}" for request_id in ids]
    found: dict[str, list[Span]] = {}

    def all_there() -> bool:
        for key in keys:
            if key not in found and is_whole(spans := read_request(store, key)):
                found[key] = spans
        return len(found) == len(keys)

    await until(all_there)
    return {key: found[key] for key in keys}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Span]]]:
    with ScriptedModel(Answer(RESTART, timing=TIMING)) as model:
        settings = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted", "LLM_API_KEY": "none"}
        with System(tmp_path_factory.mktemp("system"), settings) as system:
            store = system.directory / "traces.sqlite3"
            create(store)
            system.import_inventory(INVENTORY.read_text())
            yield asyncio.run(recorded_load(system, store))


def passing_through(key: str, spans: list[Span], stage: str) -> list[Span]:
    """The same request, a tenth of its longest own work recorded as a span of this stage."""
    _, segments = account(key, spans)
    work = [segment for segment in segments if segment.span_id and segment.stage.value in WORK]
    longest = max(work, key=lambda segment: (segment.duration_ns, -segment.seq))
    (parent,) = [span for span in spans if span.span_id == longest.span_id]
    start = longest.start_ns + longest.duration_ns * 4 // 10
    inside = replace(
        parent,
        span_id="5" * 16,
        parent_id=parent.span_id,
        name=f"a piece of {stage}",
        kind="INTERNAL",
        start_ns=start,
        end_ns=start + max(1, longest.duration_ns // 10),
        attributes={"opswire.stage": stage},
        links=(),
    )
    return [*spans, inside]


def test_the_load_passes_through_most_stages_and_is_explained(recorded: dict[str, list[Span]]) -> None:
    rows = [booked(key, spans) for key, spans in recorded.items()]
    assert len(rows) == ROUNDS * (len(TEXTS) + 1)
    passed = {stage for row in rows for stage in row.stages}
    assert {"bus.wait", "publish.ack", "intent.compute", "executor.compute", "tool.run"} <= passed
    assert any(stage.startswith("llm.") for stage in passed)
    shares = sorted(row.unattributed_ns / row.e2e_ns for row in rows)
    assert shares[len(shares) // 2] < 0.01
    assert all(sum(ns for ns, _ in row.stages.values()) == row.e2e_ns for row in rows)


@pytest.mark.parametrize("stage", [stage.value for stage in Stage])
def test_a_delay_is_named_as_the_first_cause(recorded: dict[str, list[Span]], stage: str) -> None:
    before: list[RequestRow] = []
    after: list[RequestRow] = []
    passed = {key for key, spans in recorded.items() if stage in booked(key, spans).stages}
    is_rare = len(passed) < RARE * len(recorded)
    for key, spans in recorded.items():
        known = passing_through(key, spans, stage) if is_rare and key not in passed else spans
        before.append(booked(key, known))
        after.append(delayed(key, known, stage, DELAY_NS))
    found = difference(sample_of(before), sample_of(after))
    assert [part.name for part in found.causes][:1] == [stage]
    part = found.causes[0]
    concerned = sum(stage in row.stages for row in after) / len(after)
    assert part.interval.low <= DELAY_NS * concerned <= part.interval.high
    assert not part.interval.holds_zero
