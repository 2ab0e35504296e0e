"""What no span explains, over a mixed load: under 1 % of a request at the median and 2 % at the 95th percentile.

Read where an operator would read it: in the rows that the ledger booked. The load has reads from caches, tools, model
calls, changes that people approve, and a service that dies with messages in its hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab_scene import ALLOWED, SOURCE, TO_APPROVE, Scene, running_scene, whole_spans
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until_told, wait_until
from opswire.contracts.routes import INTENT_RESOLVED
from opswire.ledger.rows.database import Database
from opswire.ledger.rows.following import Follower
from opswire.ledger.rows.model import RequestRow
from opswire.ledger.rows.store import RowStore

READS = (
    "what can you do?",
    "list all servers in production",
    "what's the ip of web-01",
    "is checkout running on web-01",
    "book me a table for two",
)
ROUNDS = 24
APPROVED = 6
ALLOWED_CHANGES = 4
AT_ONCE = 8
MEDIAN_MAX, P95_MAX = 0.01, 0.02
UNTIL_S = 90.0


async def lose_a_taker(scene: Scene, upstream: Upstream) -> list[str]:
    """Requests whose message the assets service had taken when it was killed: they are delivered again."""
    durable = INTENT_RESOLVED.consumer_of("assets").durable
    scene.system.pause("assets")
    ids = [await upstream.submit("list all servers in production") for _ in range(6)]

    async def are_in_its_hands() -> bool:
        info = await upstream.client.jetstream().consumer_info("OPSWIRE_FACTS", durable)
        return bool(info.num_ack_pending and info.num_ack_pending >= len(ids))

    await until_told(are_in_its_hands)
    scene.system.kill("assets")
    scene.system.launch("assets")
    scene.system.wait_ready("assets")
    return ids


async def mixed_load(scene: Scene) -> list[str]:
    """The ids of all requests, finished and with all their spans."""
    ids: list[str] = []
    places = asyncio.Semaphore(AT_ONCE)
    async with Upstream(scene.system.nats.url) as upstream:

        async def ask(text: str) -> None:
            async with places:
                ids.append(request_id := await upstream.submit(text))
                await upstream.outcome(request_id, UNTIL_S)

        async def change() -> None:
            for _ in range(APPROVED):
                ids.append(await scene.approved(upstream, TO_APPROVE))

        reads = [ask(text) for _ in range(ROUNDS) for text in READS]
        models = [ask(f"erfrisch mir doch mal das Ding {number}") for number in range(ROUNDS)]
        allowed = [ask(ALLOWED) for _ in range(ALLOWED_CHANGES)]
        await asyncio.gather(*reads, *models, *allowed, change())
        lost = await lose_a_taker(scene, upstream)
        for request_id in lost:
            await upstream.outcome(request_id, UNTIL_S)
        ids += lost
    for request_id in ids:
        await whole_spans(scene.store, request_id)
    return ids


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RequestRow]]:
    directory: Path = tmp_path_factory.mktemp("load")
    with running_scene(directory) as scene:
        ids = asyncio.run(mixed_load(scene))
        store = RowStore(Database.sqlite(directory / "rows.sqlite3"))
        with closing(store.database):
            follower = Follower(scene.store, store)
            found: dict[str, RequestRow] = {}

            def all_booked() -> bool:
                follower.catch_up()
                for request_id in ids:
                    key = f"{SOURCE}/{request_id}"
                    if key not in found and (row := store.request(key)) is not None:
                        found[key] = row
                return len(found) == len(ids)

            wait_until(all_booked, lambda: f"{len(found)} of {len(ids)} booked", UNTIL_S)
        yield found


def shares(rows: dict[str, RequestRow]) -> list[float]:
    return sorted(row.unattributed_ns / row.e2e_ns for row in rows.values())


def test_nearly_all_time_is_explained(rows: dict[str, RequestRow]) -> None:
    found = shares(rows)
    median, p95 = found[len(found) // 2], found[int(len(found) * 0.95)]
    worst = sorted(rows.values(), key=lambda row: row.unattributed_ns / row.e2e_ns)[-3:]
    told = [
        (row.request_key, row.route, [(s.why, s.end_ns - s.start_ns) for s in row.segments if s.why]) for row in worst
    ]
    assert median < MEDIAN_MAX, told
    assert p95 < P95_MAX, told


def test_the_load_was_mixed_and_its_accounts_can_be_trusted(rows: dict[str, RequestRow]) -> None:
    shown = {stage for row in rows.values() for stage in row.stages}
    assert shown >= {
        "approval.wait",
        "queue.redelivery",
        "llm.decode",
        "cache.lookup",
        "assets.db",
        "policy",
        "tool.run",
    }
    assert sum(row.outcome == "completed" for row in rows.values()) > len(rows) / 2
    assert all(sum(ns for ns, _ in row.stages.values()) == row.e2e_ns for row in rows.values())
    untrusted = [row.request_key for row in rows.values() if "untrusted" in row.flags]
    assert len(untrusted) <= len(rows) * 0.02, untrusted
