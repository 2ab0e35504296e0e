"""What the slow requests have in common: attribute values that they carry more often than the others do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from opswire.ledger.many.bootstrap import CONFIDENCE, REQUESTS_MIN, Interval
from opswire.ledger.many.quantiles import quantiles
from opswire.ledger.many.sample import Pair, Sample

SLOW_PART = 0.95
COMMON_MAX = 8


@dataclass(frozen=True, slots=True)
class Common:
    """A value that the slow carry more often. Shares are 0 to 1, `interval` of their difference, 95 %.

    `slower_than_ns` is what makes a request slow here; `slow` and `others` are how many there were of each.
    """

    name: str
    value: str
    share_slow: float
    share_others: float
    interval: Interval
    slow: int
    others: int
    slower_than_ns: int
    example_key: str


def over_represented(sample: Sample, reference: Sample | None = None) -> list[Common]:
    """Values whose share among the slow is certainly larger, the most telling first; at most eight.

    Slow is what is above the reference's 95th percentile, or above the sample's own where there is no reference. Two
    values that the very same requests carry are told once.
    """
    base = reference if reference is not None and len(reference) >= REQUESTS_MIN else sample
    if not len(base):
        return []
    (bound,) = quantiles(base.e2e_ns, base.weights, SLOW_PART)
    slow = [place for place, e2e in enumerate(sample.e2e_ns) if e2e > bound]
    others = [place for place, e2e in enumerate(sample.e2e_ns) if e2e <= bound]
    if len(slow) < REQUESTS_MIN or len(others) < REQUESTS_MIN:
        return []
    among_slow, among_others = _counted(sample, slow), _counted(sample, others)
    found = []
    for pair, count in among_slow.items():
        shares = (count / len(slow), among_others[pair] / len(others))
        interval = _newcombe(count, len(slow), among_others[pair], len(others), len(among_slow))
        if interval.low > 0:
            told = _newcombe(count, len(slow), among_others[pair], len(others), 1)
            example = next(sample.keys[place] for place in slow if pair in sample.attributes[place])
            found.append(Common(*pair, *shares, told, len(slow), len(others), bound, example))
    found.sort(key=lambda one: (one.share_others - one.share_slow, one.name, one.value))
    return _told_once(found)[:COMMON_MAX]


def _counted(sample: Sample, places: Iterable[int]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for place in places:
        counts.update(sample.attributes[place])
    return counts


def _told_once(found: Iterable[Common]) -> list[Common]:
    seen: set[tuple[float, float, str]] = set()
    kept = []
    for one in found:
        mark = (one.share_slow, one.share_others, one.example_key)
        if mark not in seen:
            seen.add(mark)
            kept.append(one)
    return kept


def _newcombe(first: int, first_of: int, second: int, second_of: int, looked_at: int) -> Interval:
    """The interval of a difference of two shares, by Newcombe's hybrid score: right also near 0 and 1."""
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(1, looked_at)))
    low_1, high_1 = _wilson(first, first_of, z)
    low_2, high_2 = _wilson(second, second_of, z)
    share_1, share_2 = first / first_of, second / second_of
    change = share_1 - share_2
    return Interval(
        change - sqrt((share_1 - low_1) ** 2 + (high_2 - share_2) ** 2),
        change + sqrt((high_1 - share_1) ** 2 + (share_2 - low_2) ** 2),
    )


def _wilson(count: int, of: int, z: float) -> tuple[float, float]:
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return middle - half, middle + half
