"""The row store: the same tables and answers in SQLite and in a real PostgreSQL; nothing lost, nothing twice."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from opswire.ledger import store as span_store
from opswire.ledger.model import ENGINE_VERSION
from opswire.ledger.rows import following, retention
from opswire.ledger.rows.database import Database, RowStoreError
from opswire.ledger.rows.following import SETTLE_NS, UNFINISHED_NS, Follower
from opswire.ledger.rows.retention import Retention, forget, used_bytes
from opswire.ledger.rows.schema import SCHEMA_VERSION
from opswire.ledger.rows.store import RowStore
from row_samples import BASE_NS, SECOND_NS, booked, noisy_rows, request_row, spans_of

EVER = (0, 1 << 62)


@pytest.fixture(params=["sqlite", "postgresql"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RowStore]:
    if request.param == "sqlite":
        database = Database.sqlite(tmp_path / "ledger.sqlite3")
    else:
        import psycopg

        connection = psycopg.connect(request.getfixturevalue("postgres").new_database())
        database = Database(connection, "postgresql", (psycopg.Error,), "%s", lambda: connection.cursor(name="rows"))
    yield RowStore(database)
    database.close()


@pytest.fixture
def spans(tmp_path: Path) -> Path:
    path = tmp_path / "traces.sqlite"
    span_store.create(path)
    return path


def put(rows: RowStore, found: list[Any]) -> None:
    with rows.database.transaction():
        rows.put(found)


def test_a_row_comes_back_as_it_was_written(rows: RowStore) -> None:
    row = booked("cli/r1", spans_of("cli/r1"))
    put(rows, [row])
    assert rows.request("cli/r1") == row
    assert sum(ns for ns, _ in row.stages.values()) == row.e2e_ns
    assert sum(piece.end_ns - piece.start_ns for piece in row.segments) == row.e2e_ns
    assert rows.request("cli/other") is None
    assert list(rows.rows(*EVER)) == [replace(row, segments=())]
    assert rows.last(5) == [replace(row, segments=())]


def test_a_request_booked_again_replaces_its_row(rows: RowStore) -> None:
    first = booked("cli/r1", spans_of("cli/r1"))
    put(rows, [first])
    second = replace(first, stages={"tool.run": (first.e2e_ns, 1)}, segments=first.segments[:1])
    put(rows, [second])
    assert rows.request("cli/r1") == second
    assert rows.extent().requests == 1


def test_a_window_is_by_finish_and_holds_its_start_and_not_its_end(rows: RowStore) -> None:
    put(rows, [request_row(f"cli/{second}", second, {"tool.run": 1}) for second in range(5)])
    window = (BASE_NS + SECOND_NS, BASE_NS + 3 * SECOND_NS)
    assert [row.request_key for row in rows.rows(*window)] == ["cli/1", "cli/2"]
    assert rows.count(*window) == 2
    assert [row.request_key for row in rows.last(2)] == ["cli/4", "cli/3"]


def test_a_transaction_that_fails_leaves_nothing(rows: RowStore) -> None:
    row = request_row("cli/1", 1, {"tool.run": 1})
    with pytest.raises(RowStoreError, match="refuses"):
        put(rows, [row, row])
    assert rows.extent().requests == 0


def test_tables_of_another_version_are_refused(rows: RowStore) -> None:
    with rows.database.transaction():
        rows.set_state("schema_version", str(SCHEMA_VERSION + 1))
    with pytest.raises(RowStoreError, match=f"version {SCHEMA_VERSION + 1}"):
        RowStore(rows.database)


def test_what_finished_is_booked_once_and_only_what_is_new_is_read(rows: RowStore, spans: Path) -> None:
    span_store.insert(spans, [*spans_of("cli/a"), *spans_of("cli/b", BASE_NS + SECOND_NS)])
    later = BASE_NS + 10 * SECOND_NS
    follower = Follower(spans, rows, lambda: later)
    first = follower.catch_up()
    assert (first.booked, first.behind, first.waiting) == (2, 0, 0)
    assert rows.request("cli/a") == booked("cli/a", spans_of("cli/a"))
    again = follower.catch_up()
    assert (again.read_batches, again.booked) == (0, 0)
    span_store.insert(spans, spans_of("cli/c", BASE_NS + 2 * SECOND_NS))
    third = Follower(spans, rows, lambda: later).catch_up()
    assert third.booked == 1
    assert third.read_batches < first.read_batches
    assert rows.extent().requests == 3


def test_a_request_under_way_waits_until_its_spans_are_there(rows: RowStore, spans: Path) -> None:
    whole = spans_of("cli/a")
    now = [whole[4].end_ns + SETTLE_NS + 1]
    follower = Follower(spans, rows, lambda: now[0])
    span_store.insert(spans, whole[:5])
    assert follower.catch_up().waiting == 1
    assert rows.extent().requests == 0
    span_store.insert(spans, whole[5:])
    now[0] = max(span.end_ns for span in whole) + SETTLE_NS
    assert follower.catch_up().booked == 1
    assert rows.request("cli/a") == booked("cli/a", whole)


def test_a_request_that_never_finishes_gets_a_flagged_row_and_a_whole_one_when_it_does(
    rows: RowStore, spans: Path
) -> None:
    whole = spans_of("cli/a")
    unfinished = [span for span in whole if not span.name.endswith(".finished")]
    span_store.insert(spans, unfinished)
    follower = Follower(spans, rows, lambda: whole[-1].end_ns + UNFINISHED_NS + SETTLE_NS)
    assert follower.catch_up().booked == 1
    row = rows.request("cli/a")
    assert row is not None
    assert "no_finish" in row.flags
    span_store.insert(spans, [span for span in whole if span.name.endswith(".finished")])
    assert follower.catch_up().booked == 1
    assert rows.request("cli/a") == booked("cli/a", whole)


def test_the_next_piece_is_read_when_the_last_is_booked(
    rows: RowStore, spans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BATCHES_AT_ONCE", 4)
    for number in range(12):
        span_store.insert(spans, spans_of(f"cli/{number}", BASE_NS + number * SECOND_NS))
    seen: list[tuple[int, int]] = []

    def look(progress: following.Progress) -> None:
        query = "SELECT COUNT(*) FROM pending"
        with rows.database.transaction():
            seen.append((progress.read_batches, rows.database.execute(query).fetchone()[0]))

    progress = Follower(spans, rows, lambda: BASE_NS + 100 * SECOND_NS).catch_up(look)
    assert [read for read, _ in seen] == list(range(4, progress.read_batches + 1, 4))
    assert len(seen) == 9
    assert {waiting for _, waiting in seen} == {0}
    assert rows.extent().requests == 12


def test_requests_with_very_many_spans_are_read_alone_and_cut(
    rows: RowStore, spans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SPANS_MAX", 20)
    span_store.insert(spans, [*spans_of("cli/a"), *spans_of("cli/b")])
    span_store.insert(spans, [replace(spans_of("cli/b")[1], span_id=f"{n:016x}") for n in range(100, 120)])
    assert Follower(spans, rows, lambda: BASE_NS + 100 * SECOND_NS).catch_up().booked == 2
    assert rows.request("cli/a") == booked("cli/a", spans_of("cli/a"))
    cut = rows.request("cli/b")
    assert cut is not None
    assert {"cut", "untrusted"} <= set(cut.flags)


def test_a_span_store_that_began_anew_is_read_from_its_beginning(rows: RowStore, spans: Path) -> None:
    late = lambda: BASE_NS + 100 * SECOND_NS  # noqa: E731
    span_store.insert(spans, [*spans_of("cli/a"), *spans_of("cli/b")])
    assert Follower(spans, rows, late).catch_up().booked == 2
    for name in spans.parent.glob("traces.sqlite*"):
        name.unlink()
    span_store.create(spans)
    span_store.insert(spans, spans_of("cli/c", BASE_NS + SECOND_NS))
    assert Follower(spans, rows, late).catch_up().booked == 1
    assert rows.extent().requests == 3


def test_what_retention_deleted_unread_is_counted(rows: RowStore, spans: Path) -> None:
    late = lambda: BASE_NS + 100 * SECOND_NS  # noqa: E731
    span_store.insert(spans, spans_of("cli/a"))
    Follower(spans, rows, late).catch_up()
    span_store.insert(spans, [*spans_of("cli/b"), *spans_of("cli/c")])
    with sqlite3.connect(spans) as connection:
        connection.execute("DELETE FROM span_batches WHERE request_key IN ('cli/a', 'cli/b')")
    connection.close()
    progress = Follower(spans, rows, late).catch_up()
    assert progress.booked == 1
    assert progress.lost_batches > 0


def test_rows_of_an_older_engine_are_booked_anew(rows: RowStore, spans: Path) -> None:
    span_store.insert(spans, spans_of("cli/a"))
    follower = Follower(spans, rows, lambda: BASE_NS + 100 * SECOND_NS)
    follower.catch_up()
    row = rows.request("cli/a")
    assert row is not None
    old = request_row("cli/gone", 1, {"tool.run": 1}, engine_version=ENGINE_VERSION - 1)
    put(rows, [replace(row, engine_version=ENGINE_VERSION - 1), old])
    assert follower.rebook() == 1
    assert rows.request("cli/a") == row
    kept = rows.request("cli/gone")
    assert kept is not None
    assert kept.engine_version == ENGINE_VERSION - 1


def test_old_rows_go_by_age_and_then_by_size(rows: RowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FORGOTTEN_AT_ONCE", 30)
    put(rows, [replace(row, segments=booked("cli/x", spans_of("cli/x")).segments) for row in noisy_rows(1, 300)])
    now_ns = BASE_NS + 400 * SECOND_NS
    assert forget(rows, Retention(), now_ns) == 0
    assert forget(rows, Retention(age_days=300 / 86_400), now_ns) == 100
    before = used_bytes(rows)
    gone = forget(rows, Retention(bytes_max=before // 2), now_ns)
    assert 60 < gone < 160
    assert used_bytes(rows) < before
    left = rows.extent()
    assert left.requests == 200 - gone
    assert left.last_ns == BASE_NS + 299 * SECOND_NS
    with rows.database.transaction():
        orphans = "SELECT COUNT(*) FROM segment WHERE request_key NOT IN (SELECT request_key FROM request)"
        assert rows.database.execute(orphans).fetchone()[0] == 0


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be looked at as one" * 40)
    with pytest.raises(RowStoreError, match="text cannot be opened"):
        RowStore(Database.sqlite(tmp_path / "text"))
