"""Resampling, deterministic: how far a mean may be off by the chance of which requests came.

Up to 400 requests each is drawn alone, the plain bootstrap. Beyond, requests are put into 400 groups by a hash of their
keys and groups are drawn: the same interval for a mean, at a cost that does not grow with the window. See record 17.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from opswire.ledger.many.sample import Sample, groups_of

DRAWS = 1_000
GROUPS_MAX = 400
CONFIDENCE = 0.95
REQUESTS_MIN = 5
"""Of each window and route: below it no interval is told, and no cause named."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval. Where there were too few requests both ends are infinite, which holds 0."""

    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether no change at all is among what may be."""
        return self.low <= 0 <= self.high


UNKNOWN = Interval(-math.inf, math.inf)


def resampled_means(
    sample: Sample, places: Sequence[int], columns: Mapping[str, Sequence[int]], seed: str, groups_max: int = GROUPS_MAX
) -> dict[str, list[float]]:
    """The mean of each column over the places, in a thousand resamplings; a column of one resampling fits the others.

    The same for the same requests and seed. Empty lists where there are no places.
    """
    groups = groups_of(sample, places, groups_max)
    chance = random.Random(seed)  # noqa: S311  resampling, no secret
    weights = [sum(sample.weights[place] for place in group) for group in groups]
    sums = {
        name: [sum(column[place] * sample.weights[place] for place in group) for group in groups]
        for name, column in columns.items()
    }
    found: dict[str, list[float]] = {name: [] for name in columns}
    numbers = range(len(groups))
    for _ in range(DRAWS if groups else 0):
        drawn = chance.choices(numbers, k=len(groups))
        weight = sum(map(weights.__getitem__, drawn))
        for name, own in sums.items():
            found[name].append(sum(map(own.__getitem__, drawn)) / weight)
    return found


def interval_of(draws: Sequence[float], requests: int) -> Interval:
    """The middle 95 % of resampled values; unknown where there were fewer than five requests behind them."""
    if requests < REQUESTS_MIN or not draws:
        return UNKNOWN
    ordered = sorted(draws)
    tail = (1 - CONFIDENCE) / 2
    last = len(ordered) - 1
    return Interval(ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)])


def is_beyond_chance(change: float, draws: Sequence[float], requests: int, looked_at: int) -> bool:
    """Whether a change is more than the chance of having looked at so many quantities at once.

    With one interval of 95 % for each of 14 stages, every second comparison of nothing with nothing would name a
    cause. So the error of 5 % is shared by all (Bonferroni), with Student's allowance for few requests.
    """
    if requests < REQUESTS_MIN or not draws or not change:
        return False
    mean = sum(draws) / len(draws)
    variance = sum((value - mean) ** 2 for value in draws) / len(draws) * requests / (requests - 1)
    bound = _student(1 - (1 - CONFIDENCE) / (2 * max(1, looked_at)), requests - 1)
    return abs(change) > bound * math.sqrt(variance) and not interval_of(draws, requests).holds_zero


def _student(probability: float, degrees: int) -> float:
    """A quantile of Student's t by the Cornish-Fisher expansion; within 5 % from 4 degrees on where it matters."""
    z = NormalDist().inv_cdf(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
