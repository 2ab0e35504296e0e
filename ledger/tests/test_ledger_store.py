"""The span store: what the services write is what the ledger reads, also while they write."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from opswire.ledger import store
from opswire.ledger.account import account
from opswire.ledger.model import Span, SpanLink
from opswire.ledger.testing import TraceBuilder, whole_request


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "state" / "traces.sqlite"
    store.create(made)
    return made


def test_a_request_comes_back_as_it_was_written(path: Path) -> None:
    spans = whole_request(TraceBuilder())
    store.insert(path, spans)
    found = store.read_request(path, "cli/r1")
    assert sorted(found, key=lambda span: span.span_id) == spans
    assert account("cli/r1", found) == account("cli/r1", spans)


def test_spans_without_a_key_of_its_traces_and_linked_spans_belong_to_it(path: Path) -> None:
    spans = whole_request(TraceBuilder())
    library = replace(spans[1], span_id="c" * 16, request_key=None)
    stranger = replace(spans[1], span_id="d" * 16, request_key="cli/r2")
    leader = replace(spans[1], trace_id="b" * 32, span_id="e" * 16, request_key="cli/r3")
    follower = replace(spans[1], span_id="9" * 16, links=(SpanLink(leader.trace_id, leader.span_id),))
    store.insert(path, [*spans, library, stranger, leader, follower])
    found = store.read_request(path, "cli/r1")
    assert library in found
    assert leader in found
    assert stranger not in found
    together = store.read_requests(path, ["cli/r1", "cli/r2", "cli/none"], 1_000)
    assert together == {key: store.read_request(path, key) for key in ("cli/r1", "cli/r2")}
    assert store.read_requests(path, ["cli/r1", "cli/r2"], 5) is None


def test_it_is_read_while_a_writer_holds_its_transaction(path: Path) -> None:
    spans = whole_request(TraceBuilder())
    store.insert(path, spans[:5])
    writer = sqlite3.connect(path, isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO span_batches SELECT * FROM span_batches")
        assert len(store.read_request(path, "cli/r1")) == 5
        writer.execute("COMMIT")
    finally:
        writer.close()
    assert len(store.read_request(path, "cli/r1")) == 10


def test_reading_never_makes_or_changes_a_file(tmp_path: Path) -> None:
    missing = tmp_path / "none.sqlite"
    with pytest.raises(store.StoreError, match=r"no span store at .*OPSWIRE_TRACE_STORE"):
        store.read_request(missing, "cli/r1")
    assert not missing.exists()
    wrong = tmp_path / "text.sqlite"
    wrong.write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(store.StoreError, match="cannot be read"):
        store.recent(wrong)


def test_recent_names_the_last_requests_first(path: Path) -> None:
    first = whole_request(TraceBuilder("cli/a", 1_000_000_000))
    second = whole_request(TraceBuilder("cli/b", 2_000_000_000))
    second[-1] = replace(second[-1], status="ERROR")
    store.insert(path, [*second, *first, replace(first[0], request_key=None)])
    found = store.recent(path)
    assert [(row.request_key, row.spans, row.failed) for row in found] == [("cli/b", 13, True), ("cli/a", 13, False)]
    assert (found[1].first_start_ns, found[1].last_end_ns) == (1_001_000_000, 1_041_000_000)
    assert [row.request_key for row in store.recent(path, limit=1)] == ["cli/b"]


def test_attributes_that_are_none_cost_the_attributes_and_not_the_span(path: Path) -> None:
    store.insert(path, whole_request(TraceBuilder()))
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute("SELECT spans FROM span_batches WHERE spans LIKE '%slot template%'").fetchone()
        columns = [[*c[:7], "{", "{"] if c[2] == "slot template" else c for c in json.loads(text)]
        broken = json.dumps([*columns, "no span", [1, 2]])
        connection.execute("UPDATE span_batches SET spans = ? WHERE spans = ?", (broken, text))
    connection.close()
    found: list[Span] = [span for span in store.read_request(path, "cli/r1") if span.name == "slot template"]
    assert found[0].attributes == {store.UNREADABLE: True}
    assert found[0].links == ()


def test_making_a_store_twice_keeps_what_is_in_it(path: Path) -> None:
    store.insert(path, whole_request(TraceBuilder()))
    store.create(path)
    assert len(store.read_request(path, "cli/r1")) == 13
