"""The template cache on traffic that repeats: it hits twice as often as plain normalisation, and no hit is wrong."""

from __future__ import annotations

import importlib
import random
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bench() -> Any:
    """The measurement that `./just bench template_cache` runs; the folder is no package of the environment."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("bench.template_cache")
    finally:
        sys.path.remove(str(ROOT))


OPTIONS = Namespace(requests=1_000, rounds=2, seed=1, exponent=1.0, agreements=5, agreements_changing=300)


async def test_on_a_replay_it_hits_at_least_twice_as_often_as_plain_normalisation(bench: Any) -> None:
    one = bench.Bench()
    named = [sentence for sentence in bench.sentences(one.index) if sentence.kinds]
    rows = {row.way: row for row in await bench.replay(one, "named", named, OPTIONS)}
    assert rows["perfect"].hit_rate > rows["templates"].hit_rate >= 2 * rows["plain"].hit_rate
    assert rows["templates"].hits > rows["seen"].hits, "no template served"
    assert {row.differing for row in rows.values()} == {0}


async def test_where_most_sentences_name_nothing_no_cache_could_hit_twice_as_often(bench: Any) -> None:
    one = bench.Bench()
    rows = {row.way: row for row in await bench.replay(one, "all", bench.sentences(one.index), OPTIONS)}
    assert rows["plain"].hit_rate < rows["templates"].hit_rate < rows["perfect"].hit_rate < 2 * rows["plain"].hit_rate
    assert {row.differing for row in rows.values()} == {0}


async def test_on_the_labelled_requests_no_hit_is_other_than_the_full_path(bench: Any) -> None:
    one = bench.Bench()
    some = random.Random(5).sample(bench.sentences(one.index), 1_500)
    row = await one.row(
        "labelled set", "templates", one.ways(5, 300)["templates"], bench.labelled_set(some, one.names, 5)
    )
    assert row.hits > row.requests / 2
    assert (row.differing, row.wrong) == (0, 0)


async def test_a_template_that_serves_untested_is_caught_by_this_measure(bench: Any) -> None:
    one = bench.Bench()
    some = random.Random(5).sample(bench.sentences(one.index), 1_500)
    row = await one.row("labelled set", "at once", one.ways(1, 1)["templates"], bench.labelled_set(some, one.names, 5))
    assert row.differing > 0
