"""Warming: every request once, a few at a time, resumable, and never more than reading."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from opswire.cache.adapters.history_store import Database
from opswire.cache.adapters.warm_runs import WarmRuns
from opswire.cache.errors import WarmingError
from opswire.cache.usecases.warming import FAILURES_IN_A_ROW_MAX, REST_S_MAX, Warmer
from opswire.chassis.errors import RetryableError
from opswire.chassis.testing.waiting import one_turn, until, until_told
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.routes import INTENT_RESOLVED, REQUEST_FINISHED, REQUEST_SUBMITTED


class Sent:
    """Answers requests, as slowly as a test lets them through."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.under_way = 0
        self.under_way_most = 0
        self.let_through = asyncio.Event()
        self.is_away = False

    async def has(self, count: int) -> None:
        """Wait until so many were sent."""
        await until(lambda: len(self.ids) >= count)

    async def status_of(self, request_id: str, text: str) -> str:
        self.ids.append(request_id)
        self.texts.append(text)
        self.under_way += 1
        self.under_way_most = max(self.under_way_most, self.under_way)
        try:
            await self.let_through.wait()
            if self.is_away:
                raise RetryableError("no outcome was seen")
        finally:
            self.under_way -= 1
        return "failed" if text == "bad" else "completed"


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[WarmRuns]:
    database = Database(tmp_path / "history.sqlite3")
    await database.open()
    yield WarmRuns(database)
    await database.close()


async def ended(warmer: Warmer) -> Any:
    async def has_ended() -> bool:
        return (await warmer.progress()).state != "running"

    await until_told(has_ended)
    return await warmer.progress()


async def test_each_request_is_sent_once_and_never_more_than_so_many_at_a_time(runs: WarmRuns) -> None:
    sent = Sent()
    warmer = Warmer(runs, sent, 3)
    begun = await warmer.begin(["a", "b", " a ", "", "bad", "c", "d"])
    assert (begun.state, begun.total, begun.done) == ("running", 5, 0)
    with pytest.raises(WarmingError, match="under way"):
        await warmer.begin(["x"])
    await sent.has(3)
    sent.let_through.set()
    found = await ended(warmer)
    assert (found.state, found.done, found.completed) == ("done", 5, 4)
    assert sorted(sent.texts) == ["a", "b", "bad", "c", "d"]
    assert sent.under_way_most == 3


async def test_nothing_is_sent_while_a_worker_rests_from_its_last_request(runs: WarmRuns) -> None:
    rested: list[float] = []
    rest_is_over = asyncio.Event()

    async def rest(seconds: float) -> None:
        rested.append(seconds)
        await rest_is_over.wait()

    sent = Sent()
    sent.let_through.set()
    warmer = Warmer(runs, sent, 1, rest)
    await warmer.begin(["a", "b"])
    await until(lambda: bool(rested))
    await one_turn()
    assert (sent.texts, (await warmer.progress()).done) == (["a"], 1)
    rest_is_over.set()
    assert (await ended(warmer)).done == 2
    assert len(rested) == 2
    assert all(0 < seconds <= REST_S_MAX for seconds in rested)


async def test_a_run_goes_on_after_a_restart_with_the_ids_it_had(runs: WarmRuns) -> None:
    first, second = Sent(), Sent()
    warmer = Warmer(runs, first, 1)
    await warmer.begin(["a", "b"])
    await first.has(1)
    await warmer.stop()
    second.let_through.set()
    again = Warmer(runs, second, 1)
    await again.go_on_after_restart()
    found = await ended(again)
    assert (found.state, found.done) == ("done", 2)
    assert second.ids[0] == first.ids[0], "the same id, so that the request is not run a second time"
    assert second.texts == ["a", "b"]


async def test_a_run_without_outcomes_stops_and_is_resumed(runs: WarmRuns) -> None:
    sent = Sent()
    sent.is_away = True
    sent.let_through.set()
    warmer = Warmer(runs, sent, 1)
    await warmer.begin([f"text {n}" for n in range(FAILURES_IN_A_ROW_MAX + 5)])
    stopped = await ended(warmer)
    assert stopped.state == "stopped"
    assert "in a row" in stopped.last_error
    sent.is_away = False
    await warmer.resume()
    assert (await ended(warmer)).state == "done"
    with pytest.raises(WarmingError, match="no run was stopped"):
        await warmer.resume()


async def test_nothing_to_warm_with_is_refused(runs: WarmRuns) -> None:
    with pytest.raises(WarmingError, match="no request to warm with"):
        await Warmer(runs, Sent(), 1).begin(["", "  "])


async def answer_all(client: Client, seen: list[dict[str, Any]]) -> None:
    """Stands for the services: one outcome for each request."""

    async def answer(message: Msg) -> None:
        variables = REQUEST_SUBMITTED.variables(message.subject)
        seen.append(json.loads(message.data) | {"source": variables["source"]})
        finish = {
            "request_id": variables["request_id"],
            "status": "completed",
            "answer": {"summary": "Done."},
            "timings": {"total": 1.0},
        }
        await client.jetstream().publish(REQUEST_FINISHED.subject(**variables), json.dumps(finish).encode())

    await client.subscribe(REQUEST_SUBMITTED.wildcard, cb=answer)
    await client.flush()


async def ask_before(client: Client, request_id: str, text: str, intent: str | None) -> None:
    """A request of an upstream, and what it was understood as."""
    variables = {"source": "chat", "request_id": request_id}
    body = {"request_id": request_id, "text": text, "requester": {"id": "dana", "kind": "human"}}
    await client.jetstream().publish(REQUEST_SUBMITTED.subject(**variables), json.dumps(body).encode())
    if intent is not None:
        resolved = {
            **body,
            "intent": {"name": intent, "confidence": 1.0, "risk": "LOW", "source": "local"},
            "accepted_ns": 1,
            "deadline_ns": 2,
        }
        IntentResolved.from_bytes(json.dumps(resolved).encode())
        await client.jetstream().publish(INTENT_RESOLVED.subject(**variables), json.dumps(resolved).encode())


async def test_the_most_frequent_recent_readings_are_sent_through_the_bus(cache_service: Any, client: Client) -> None:
    asked = [
        ("restart web-01", "service.restart"),
        ("what is the root password", "secret.read"),
        ("list hosts", "asset.list"),
        ("never understood", None),
    ]
    for count, (text, intent) in enumerate(asked):
        for number in range(8 - count):
            await ask_before(client, f"r{count}-{number}", text, intent)
    await ask_before(client, "once", "show web-01", "asset.get")
    seen: list[dict[str, Any]] = []
    await answer_all(client, seen)
    status, begun = await cache_service.call("POST", "/cache/warm", {"recent": 10})
    assert (status, begun["total"]) == (202, 2), begun
    found = await cache_service.until("/cache/warm", lambda found: found["state"] != "running")
    assert (found["state"], found["completed"], found["failed"]) == ("done", 2, 0)
    assert [one["text"] for one in seen] == ["list hosts", "show web-01"]
    assert {one["source"] for one in seen} == {"warmer"}


async def test_the_list_in_the_setting_is_sent_where_nothing_else_is_named(
    start_cache: Any, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "common.txt"
    file.write_text("list hosts\n# a comment\n\nshow web-01  # why\nlist hosts\n")
    running = await start_cache(warm_file=file)
    seen: list[dict[str, Any]] = []
    await answer_all(client, seen)
    status, begun = await running.call("POST", "/cache/warm", {})
    assert (status, begun["total"]) == (202, 2)
    await running.until("/cache/warm", lambda found: found["state"] == "done")
    assert sorted(one["text"] for one in seen) == ["list hosts", "show web-01"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "not_warmed"),
        ({"resume": True}, "not_warmed"),
        ({"recent": 0}, "schema_mismatch"),
        ({"requests": []}, "schema_mismatch"),
    ],
)
async def test_a_warming_that_cannot_be_is_refused(cache_service: Any, body: dict[str, Any], code: str) -> None:
    status, refused = await cache_service.call("POST", "/cache/warm", body)
    assert (status, refused["code"]) == (400, code)
