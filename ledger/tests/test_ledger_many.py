"""Tables over many requests: what adds up adds up, what is chance is called chance, and the same is told twice."""

from __future__ import annotations

import json
import random
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from opswire.ledger.many import sample as sampling
from opswire.ledger.many.bootstrap import interval_of, resampled_means
from opswire.ledger.many.common import over_represented
from opswire.ledger.many.difference import MIX, difference
from opswire.ledger.many.files import FileError, sample_of_file
from opswire.ledger.many.plain import difference_as_json, points_of, table_as_json
from opswire.ledger.many.quantiles import places_in_band, quantiles
from opswire.ledger.many.sample import on_route, read_sample, sample_of
from opswire.ledger.many.stage_lines import stage_table
from opswire.ledger.rows.database import Database
from opswire.ledger.rows.model import RequestRow
from opswire.ledger.rows.store import RowStore
from row_samples import BASE_NS, noisy_rows, request_row, spans_of

STAGES = ("bus.wait", "publish.ack", "tool.run", "llm.queue", "unattributed")
DATA = Path(__file__).parent / "data"


@st.composite
def any_rows(draw: st.DrawFn) -> list[object]:
    count = draw(st.integers(1, 40))
    found = []
    for number in range(count):
        stages = draw(st.dictionaries(st.sampled_from(STAGES), st.floats(0.001, 10_000), min_size=1))
        route = draw(st.sampled_from(("a", "b", "c")))
        weight = draw(st.sampled_from((1.0, 1.0, 20.0)))
        found.append(request_row(f"cli/{number}", number, stages, route=route, weight=weight))
    return found


@settings(max_examples=40, deadline=None)
@given(any_rows(), any_rows())
def test_shares_and_bands_and_the_parts_of_a_change_add_up(before: list, after: list) -> None:  # type: ignore[type-arg]
    table = stage_table(sample_of(after), sample_of(before))
    assert sum(line.share for line in table.lines) == pytest.approx(1)
    for place, band in enumerate(table.bands):
        assert sum(line.band_means_ns[place] for line in table.lines) == pytest.approx(band.mean_ns)
    assert table.change is not None
    moved = sum(line.change.ns for line in table.lines if line.change is not None)
    only_before = {stage for row in before for stage in row.stages} - {line.stage for line in table.lines}
    if not only_before:
        assert moved == pytest.approx(table.change.ns, abs=1)
    found = difference(sample_of(before), sample_of(after))
    assert found.mix_ns + found.within_ns == pytest.approx(found.change_ns, abs=1)
    assert sum(part.change_ns for part in found.parts) == pytest.approx(found.change_ns, abs=1)
    json.dumps([table_as_json(table), difference_as_json(found)], allow_nan=False)


def test_the_table_tells_what_each_stage_did() -> None:
    rows = [request_row(f"cli/{n}", n, {"bus.wait": 1} | ({"tool.run": n} if n % 2 else {})) for n in range(1, 101)]
    rows[98] = replace(rows[98], flags=("untrusted",))
    table = stage_table(sample_of(rows))
    tool, bus = table.lines
    assert (tool.stage, bus.stage) == ("tool.run", "bus.wait")
    assert (tool.present, bus.present) == (0.5, 1.0)
    assert tool.own_ns == (49_000_000, 95_000_000, 99_000_000)
    assert tool.example_key == "cli/97"
    assert table.untrusted_share == 0.01
    assert [band.requests for band in table.bands] == [10, 5, 2]
    assert tool.band_means_ns[2] == 98_000_000
    assert tool.change is None


def test_an_open_request_is_left_out_and_counted() -> None:
    rows = noisy_rows(1, 10)
    sample = sample_of([*rows, request_row("cli/open", 1, {"tool.run": 9}, flags=("no_finish",))])
    assert (len(sample), sample.unfinished) == (10, 1)
    foreign = request_row("t" * 32, 1, {"tool.run": 9}, flags=("no_accept_time", "no_finish"))
    assert len(sample_of([foreign])) == 1


def test_nothing_compared_with_nothing_names_no_cause() -> None:
    named = [
        difference(sample_of(noisy_rows(2 * seed, 60)), sample_of(noisy_rows(2 * seed + 1, 60))).causes
        for seed in range(40)
    ]
    # One in twenty may, by the promise of 95 %: of forty hardly ever more than six.
    assert sum(bool(causes) for causes in named) <= 6


def test_the_same_windows_are_told_alike() -> None:
    first = difference(sample_of(noisy_rows(1, 900)), sample_of(noisy_rows(2, 900, tool_run=5)))
    second = difference(sample_of(noisy_rows(1, 900)), sample_of(noisy_rows(2, 900, tool_run=5)))
    assert first == second
    assert [part.name for part in first.causes] == ["tool.run"]
    assert first.causes[0].interval.low <= 5e6 <= first.causes[0].interval.high


def test_few_requests_name_nothing_and_an_empty_window_neither() -> None:
    few = difference(sample_of(noisy_rows(1, 4)), sample_of(noisy_rows(2, 4, tool_run=900)))
    assert few.causes == ()
    assert difference_as_json(few)["interval"] is None
    empty = difference(sample_of([]), sample_of(noisy_rows(1, 50)))
    assert (empty.causes, empty.requests_before, empty.requests_after) == ((), 0, 50)


def asked_a_model(row: RequestRow) -> RequestRow:
    stages = {**row.stages, "llm.decode": (400_000_000, 1)}
    return replace(row, route="model", stages=stages, e2e_ns=row.e2e_ns + 400_000_000)


def test_a_change_of_the_mix_is_no_stages_fault() -> None:
    def load(seed: int, slow: int) -> list[RequestRow]:
        rows = noisy_rows(seed, 200)
        return [asked_a_model(row) if number < slow else row for number, row in enumerate(rows)]

    found = difference(sample_of(load(1, 20)), sample_of(load(2, 120)))
    assert [part.name for part in found.causes] == [MIX]
    assert found.causes[0].change_ns == pytest.approx(200e6, rel=0.05)
    assert abs(found.within_ns) < 5e6
    assert {route.route for route in found.routes} == {"model", "intent>assets"}


def test_a_route_that_is_new_is_mix_alone() -> None:
    before = noisy_rows(1, 100)
    new = [replace(row, request_key=f"x/{row.request_key}", route="new") for row in noisy_rows(3, 100, tool_run=500)]
    after = [*noisy_rows(2, 100), *new]
    found = difference(sample_of(before), sample_of(after))
    assert found.parts[0].name == MIX
    assert found.mix_ns == pytest.approx(250e6, rel=0.1)


def test_an_improvement_is_named_first_too() -> None:
    found = difference(sample_of(noisy_rows(1, 100, bus_wait=50)), sample_of(noisy_rows(2, 100)))
    assert found.causes[0].name == "bus.wait"
    assert found.causes[0].change_ns < 0


def test_values_that_the_slow_carry_are_found_and_chance_is_not() -> None:
    chance = random.Random(1)
    rows = []
    for number, row in enumerate(noisy_rows(4, 400)):
        host = f"web-{number % 4}"
        slow = host == "web-3" and number % 3 == 0
        extra = 500_000_000 if slow else 0
        attributes = {"host": [host], "coin": [chance.choice(("head", "tail"))], "source": ["cli"]}
        rows.append(replace(row, e2e_ns=row.e2e_ns + extra, attributes=attributes))
    found = over_represented(sample_of(rows), sample_of(noisy_rows(5, 400)))
    assert [(one.name, one.value) for one in found] == [("host", "web-3")]
    assert found[0].share_slow > 0.6
    assert found[0].interval.low > 0
    assert over_represented(sample_of(noisy_rows(6, 400))) == []


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        rows = sample_of(noisy_rows(seed, 80))
        draws = resampled_means(rows, range(len(rows)), {"": rows.stages["tool.run"]}, "x")[""]
        interval = interval_of(draws, len(rows))
        held += interval.low <= 30e6 * 1.1331 <= interval.high  # a log-normal's mean is e^(0.5² / 2) of its median
    assert held >= 50


def test_grouped_resampling_gives_the_interval_of_the_plain_one() -> None:
    rows = sample_of(noisy_rows(8, 3_000))
    grouped = resampled_means(rows, range(len(rows)), {"": rows.e2e_ns}, "x")[""]
    plain_error = statistics.stdev(rows.e2e_ns) / len(rows) ** 0.5
    assert statistics.stdev(grouped) == pytest.approx(plain_error, rel=0.15)


def test_quantiles_are_values_that_occurred_and_bands_are_never_empty() -> None:
    assert quantiles([5, 1, 3], [1, 1, 1], 0.5, 1.0) == [3, 5]
    assert quantiles([5, 1], [1, 20], 0.95, 0.99) == [1, 5]
    assert quantiles([], [], 0.5) == []
    assert places_in_band([9, 1, 5], [1, 1, 1], 98, 100) == [0]
    assert places_in_band([], [], 45, 55) == []


def test_a_full_window_is_looked_at_by_an_even_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sampling, "REQUESTS_MAX", 100)
    store = RowStore(Database.sqlite(tmp_path / "rows.sqlite3"))
    with store.database.transaction():
        store.put(noisy_rows(1, 1_000))
    first, second = (read_sample(store, 0, 1 << 62) for _ in range(2))
    assert first.keys == second.keys
    assert 50 < len(first) < 150
    assert first.share == pytest.approx(0.1)
    assert first.mean_ns == pytest.approx(sample_of(noisy_rows(1, 1_000)).mean_ns, rel=0.2)
    store.database.close()


def test_a_route_may_end_in_a_star() -> None:
    row = request_row("cli/1", 1, {"tool.run": 1}, route="intent>assets")
    assert on_route("*") is None
    for route, wanted in (("intent>assets", True), ("intent*", True), ("intent", False)):
        chosen = on_route(route)
        assert chosen is not None
        assert chosen(row) is wanted


def test_a_picture_of_many_requests_keeps_the_slowest() -> None:
    rows = sample_of(noisy_rows(1, 5_000))
    points = points_of(rows, 200)
    assert len(points) <= 205
    assert max(e2e for _, e2e in points) == max(rows.e2e_ns)


@pytest.mark.parametrize("name", ["jaeger-ui/out1.json", "crisp/7.json"])
def test_traces_of_others_are_compared_from_their_files(name: str) -> None:
    sample = sample_of_file(DATA / name)
    assert len(sample) >= 1
    assert sum(column[0] for column in sample.stages.values()) == sample.e2e_ns[0]
    assert sample.untrusted_share == 0
    assert any(stage.startswith("service ") for stage in sample.stages)
    assert difference(sample, sample).causes == ()


def test_files_of_the_ledgers_own_are_read_and_nothing_is_written(tmp_path: Path) -> None:
    from opswire.ledger import store as span_store

    spans, rows = tmp_path / "traces.sqlite", tmp_path / "rows.sqlite3"
    span_store.create(spans)
    span_store.insert(spans, [span for n in range(3) for span in spans_of(f"cli/{n}", BASE_NS + n * 10**9)])
    assert len(sample_of_file(spans)) == 3
    store = RowStore(Database.sqlite(rows))
    with store.database.transaction():
        store.put(noisy_rows(1, 7))
    store.database.close()
    before = rows.read_bytes()
    assert len(sample_of_file(rows)) == 7
    assert rows.read_bytes() == before
    (tmp_path / "other.sqlite").write_bytes(b"SQLite format 3\0" + bytes(100))
    for wrong in ("other.sqlite", "none"):
        with pytest.raises(FileError):
            sample_of_file(tmp_path / wrong)
