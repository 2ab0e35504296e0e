"""The history on a real file: kept over restarts and kills, bounded, and never in the way."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from opswire.cache.adapters import history_store
from opswire.cache.adapters.canary_rounds import CanaryRounds
from opswire.cache.adapters.history_store import Database, HistoryStore
from opswire.cache.usecases.history import Record, Size

KEY = ("assets", "context", "named")


def record(at_s: int, **more: Any) -> Record:
    counts = {"memory_hits": 3, "misses": 1, "stale_memory": 2, "fills": 1}
    values = {"fresh": {KEY: counts}, "sizes": [Size("assets", "context", 5, 900)], "counted": {"a": {KEY: counts}}}
    return Record(at_s, **(values | more))


async def test_it_is_there_after_a_restart_and_counts_in_one_span_add_up(tmp_path: Path) -> None:
    now_s = int(time.time())
    for _ in range(2):
        database = Database(tmp_path / "new" / "history.sqlite3")
        await database.open()
        await HistoryStore(database, 3_600).write(record(now_s))
        await database.close()
    database = Database(tmp_path / "new" / "history.sqlite3")
    await database.open()
    store = HistoryStore(database, 3_600)
    (point,) = await store.points(now_s - 10)
    assert (point.hits, point.reads, point.stale, point.bytes, point.entries) == (6, 8, 4, 900, 5)
    assert (await store.counted())["a"][KEY]["memory_hits"] == 3
    assert await store.points(now_s + 1) == []
    await database.close()


async def test_what_is_too_old_goes(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.sqlite3")
    await database.open()
    store = HistoryStore(database, 3_600)
    await store.write(record(10_000))
    await store.write(record(13_600))
    assert [point.at_s for point in await store.points(0)] == [10_000, 13_600]
    await store.write(record(13_601))
    assert [point.at_s for point in await store.points(0)] == [13_600, 13_601]
    await database.close()


async def test_ever_new_families_do_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_store, "ROWS_MAX", 100)
    database = Database(tmp_path / "history.sqlite3")
    await database.open()
    store = HistoryStore(database, 3_600)
    for at_s in range(20):
        await store.write(record(at_s, fresh={("assets", "context", f"{at_s}-{n}"): {"fills": 1} for n in range(10)}))
    rows = await database.run(lambda on: on.execute("SELECT COUNT(*), MAX(at_s) FROM counts").fetchone())
    assert rows[0] <= 100
    assert rows[1] == 19
    await database.close()


async def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    path.write_bytes(b"not a database at all" * 1_000)
    database = Database(path)
    await database.open()
    await HistoryStore(database, 3_600).write(record(1))
    await database.close()
    assert [one.read_bytes()[:5] for one in tmp_path.glob("*unreadable*")] == [b"not a"]


async def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.sqlite3")
    await database.open()

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO canary VALUES (1.0, 0.1, 0, '')")
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(OSError, match="full"):
        await database.run(half)
    assert await database.run(lambda on: on.execute("SELECT COUNT(*) FROM canary").fetchone()) == (0,)
    await database.close()


async def test_the_canarys_figures_are_of_the_rounds_that_came_to_something(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.sqlite3")
    await database.open()
    rounds = CanaryRounds(database)
    for took_s in (0.01, 0.03, 0.02):
        await rounds.keep(took_s, 0)
    await rounds.keep(0.0, 0, "the inventory is away")
    await rounds.keep(0.5, 2)
    figures = await rounds.figures()
    assert (figures.rounds, figures.last_s, figures.median_s, figures.p99_s) == (4, 0.5, 0.03, 0.5)
    assert (figures.stale_reads, figures.failed, figures.last_error) == (2, 1, "the inventory is away")
    assert [worst[1:] for worst in await rounds.worst(0, 10**9)] == [(0.5, 2)]
    await database.close()


async def test_the_services_history_survives_its_restart(start_cache: Any, tell: Any) -> None:
    first = await start_cache(cache_history_bucket_s=3_600)
    started_ns = time.time_ns()
    await tell("assets-a", hits=30, misses=10, started_ns=started_ns)
    path = "/cache/history?hours=48"

    def reads(found: Any) -> int:
        return sum(point["reads"] for point in found["points"] if point["cache"] == "context")

    await first.until(path, lambda found: reads(found) == 40)
    await first.service.stop()
    second = await start_cache(cache_history_bucket_s=3_600)
    assert reads((await second.call("GET", path))[1]) == 40
    await tell("assets-a", hits=33, misses=10, started_ns=started_ns)
    found = await second.until(path, lambda found: reads(found) != 40)
    assert reads(found) == 43
