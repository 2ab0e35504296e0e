"""Counting what the processes say: each read once, whatever restarts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from opswire.cache.usecases.history import Record, write_history
from opswire.cache.usecases.statistics import FORGOTTEN_AFTER_S, SILENT_AFTER_S, Statistics, hit_rate
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import CacheStatistics, FamilyCounts

KEY = ("assets", "context", "named")
HOUR_NS = 3_600 * 10**9


@dataclass
class Clock:
    """A clock that a test turns."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def statistics_at(clock: Clock) -> Statistics:
    return Statistics(clock, lambda: HOUR_NS)


def report(hits: int, at_ns: int, holder_id: str = "assets-a", started_ns: int = HOUR_NS) -> CacheStatisticsReported:
    family = FamilyCounts(family="named", memory_hits=hits)
    cache = CacheStatistics(cache="context", is_on=True, entries=1, bytes=10, oldest_age_s=0.0, families=[family])
    return CacheStatisticsReported(
        holder_id=holder_id,
        service="assets",
        started_ns=started_ns,
        applied=1,
        inside_lease=True,
        caches=[cache],
        at_ns=at_ns,
    )


def test_only_what_grew_since_the_last_report_is_fresh() -> None:
    statistics = statistics_at(Clock())
    statistics.hear(report(10, at_ns=1))
    statistics.hear(report(13, at_ns=2))
    assert statistics.take_fresh()[KEY]["memory_hits"] == 13
    statistics.hear(report(14, at_ns=3))
    statistics.hear(report(14, at_ns=4))
    assert statistics.take_fresh()[KEY] == {"memory_hits": 1}
    assert statistics.take_fresh() == {}


def test_a_report_that_comes_late_or_twice_counts_nothing() -> None:
    statistics = statistics_at(Clock())
    statistics.hear(report(13, at_ns=2))
    statistics.hear(report(10, at_ns=1))
    statistics.hear(report(13, at_ns=2))
    assert statistics.take_fresh()[KEY]["memory_hits"] == 13


def test_two_lives_of_a_process_are_two_processes() -> None:
    statistics = statistics_at(Clock())
    statistics.hear(report(13, at_ns=1, holder_id="assets-a"))
    statistics.hear(report(4, at_ns=2, holder_id="assets-b"))
    assert statistics.take_fresh()[KEY]["memory_hits"] == 17


def test_what_a_process_did_before_we_knew_it_belongs_to_no_time_that_we_know() -> None:
    statistics = statistics_at(Clock())
    statistics.hear(report(1_000_000, at_ns=1, started_ns=0))
    assert statistics.take_fresh() == {}
    statistics.hear(report(1_000_002, at_ns=2, started_ns=0))
    assert statistics.take_fresh()[KEY] == {"memory_hits": 2}


def test_after_a_restart_only_what_is_new_counts() -> None:
    first = statistics_at(Clock())
    first.hear(report(10, at_ns=1))
    second = statistics_at(Clock())
    second.counted = first.counted
    second.hear(report(12, at_ns=2))
    assert second.take_fresh()[KEY] == {"memory_hits": 2}


def test_a_silent_process_is_not_living_and_then_forgotten() -> None:
    clock = Clock()
    statistics = statistics_at(clock)
    statistics.hear(report(1, at_ns=1))
    assert statistics.living() == {"assets-a"}
    clock.now_s = SILENT_AFTER_S
    assert statistics.living() == set()
    assert statistics.forget_gone() == []
    clock.now_s = FORGOTTEN_AFTER_S + 1
    assert statistics.forget_gone() == ["assets-a"]
    assert statistics.holders() == []


async def test_what_could_not_be_written_is_written_the_next_time() -> None:
    class Disk:
        is_full = True
        records: tuple[Record, ...] = ()

        async def write(self, record: Record) -> None:
            if self.is_full:
                raise OSError("no space left")
            self.records += (record,)

    statistics, disk = statistics_at(Clock()), Disk()
    statistics.hear(report(10, at_ns=1))
    with pytest.raises(OSError, match="no space"):
        await write_history(statistics, disk, lambda: 125.0, 60)
    statistics.hear(report(11, at_ns=2))
    disk.is_full = False
    await write_history(statistics, disk, lambda: 130.0, 60)
    (record,) = disk.records
    assert (record.at_s, record.fresh[KEY]["memory_hits"]) == (120, 11)
    assert record.counted["assets-a"][KEY]["memory_hits"] == 11
    assert [(size.cache, size.bytes) for size in record.sizes] == [("context", 10)]


@pytest.mark.parametrize(
    ("counts", "rate"),
    [({}, None), ({"fills": 3}, None), ({"memory_hits": 1, "shared_hits": 1, "coalesced": 1, "misses": 1}, 0.75)],
)
def test_the_hit_rate_is_of_reads(counts: dict[str, int], rate: float | None) -> None:
    assert hit_rate(counts) == rate
