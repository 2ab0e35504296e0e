"""What changed between two windows: the change of the mean as mix and within, and within by stage.

    mean(B) - mean(A) = mix + within
    mix    = sum over routes of (share in B - share in A) * the route's mean, halfway between A and B
    within = sum over routes of the share, halfway, * (mean in B - mean in A), and so by stage

Both add up exactly. A route that only one window has is all mix: there is nothing to compare its time with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opswire.ledger.many.bootstrap import (
    DRAWS,
    GROUPS_MAX,
    UNKNOWN,
    Interval,
    interval_of,
    is_beyond_chance,
    resampled_means,
)
from opswire.ledger.many.common import Common, over_represented
from opswire.ledger.many.sample import Sample

MIX = "mix"
_GROUPS_MIN = 20


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the change in nanoseconds; the parts add up to it. `name` is a stage, or `mix`.

    `is_cause`: the interval does not hold 0, also allowing for how many parts were looked at.
    """

    name: str
    change_ns: float
    interval: Interval
    is_cause: bool
    before_ns: float
    after_ns: float
    example_key: str


@dataclass(frozen=True, slots=True)
class RouteChange:
    """A route in both windows: its share (0 to 1) and its mean in nanoseconds, None where it did not occur."""

    route: str
    share_before: float
    share_after: float
    mean_before_ns: float | None
    mean_after_ns: float | None
    mix_ns: float
    within_ns: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from A to B. `parts` is mix and every stage, the largest change in the direction of the whole first.

    `causes` are those of them that are more than chance, in the same order; empty where none is.
    """

    requests_before: int
    requests_after: int
    mean_before_ns: float
    mean_after_ns: float
    change_ns: float
    interval: Interval
    is_certain: bool
    mix_ns: float
    within_ns: float
    parts: tuple[Part, ...]
    routes: tuple[RouteChange, ...]
    common: tuple[Common, ...]

    @property
    def causes(self) -> tuple[Part, ...]:
        """The parts that are more than chance, the first cause first."""
        return tuple(part for part in self.parts if part.is_cause)


def difference(before: Sample, after: Sample) -> Difference:
    """Compare two windows. With no request in one of them every change is 0 and nothing is named."""
    if not len(before) or not len(after):
        return _nothing(before, after)
    routes = _routes(before, after)
    stages = sorted({*before.stages, *after.stages})
    change = after.mean_ns - before.mean_ns
    requests = min(len(before), len(after))
    whole = _subtracted(
        resampled_means(after, range(len(after)), {"": after.e2e_ns}, "after")[""],
        resampled_means(before, range(len(before)), {"": before.e2e_ns}, "before")[""],
    )
    looked_at = len(stages) + 1
    within = _within_draws(before, after, routes, stages)
    mix = sum(route.mix_ns for route in routes)
    parts = [_stage_part(before, after, routes, stage, within[stage], looked_at) for stage in stages]
    if len(routes) > 1:
        parts.append(_mix_part(before, after, routes, mix, looked_at))
    sign = 1 if change >= 0 else -1
    return Difference(
        requests_before=len(before),
        requests_after=len(after),
        mean_before_ns=before.mean_ns,
        mean_after_ns=after.mean_ns,
        change_ns=change,
        interval=interval_of(whole, requests),
        is_certain=is_beyond_chance(change, whole, requests, 1),
        mix_ns=mix,
        within_ns=sum(route.within_ns for route in routes),
        parts=tuple(sorted(parts, key=lambda part: (-sign * part.change_ns, part.name))),
        routes=tuple(sorted(routes, key=lambda route: (-abs(route.mix_ns + route.within_ns), route.route))),
        common=tuple(over_represented(after, before)),
    )


def _routes(before: Sample, after: Sample) -> list[RouteChange]:
    found = []
    own_before, own_after = before.places_by_route(), after.places_by_route()
    middle = (before.mean_ns + after.mean_ns) / 2
    for route in sorted({*own_before, *own_after}):
        shares, means = [], []
        for sample, places in ((before, own_before.get(route, [])), (after, own_after.get(route, []))):
            weight = sum(sample.weights[place] for place in places)
            shares.append(weight / sample.weight)
            means.append(sum(sample.e2e_ns[p] * sample.weights[p] for p in places) / weight if weight else None)
        first = means[0] if means[0] is not None else means[1]
        second = means[1] if means[1] is not None else means[0]
        if first is None or second is None:
            continue
        # Against the mean of all: a route that grows matters by how much it is slower than the others.
        mix = (shares[1] - shares[0]) * ((first + second) / 2 - middle)
        within = (shares[0] + shares[1]) / 2 * (second - first)
        found.append(RouteChange(route, shares[0], shares[1], means[0], means[1], mix, within))
    return found


def _share(route: RouteChange) -> float:
    return (route.share_before + route.share_after) / 2


def _comparable(routes: Sequence[RouteChange]) -> list[RouteChange]:
    return [route for route in routes if route.mean_before_ns is not None and route.mean_after_ns is not None]


def _stage_part(
    before: Sample, after: Sample, routes: Sequence[RouteChange], stage: str, draws: Sequence[float], looked_at: int
) -> Part:
    own_before, own_after = before.places_by_route(), after.places_by_route()
    change, compared = 0.0, 0
    for route in _comparable(routes):
        first = _mean(before, stage, own_before[route.route])
        second = _mean(after, stage, own_after[route.route])
        change += _share(route) * (second - first)
        compared += min(len(own_before[route.route]), len(own_after[route.route]))
    column = after.stages.get(stage) or before.stages[stage]
    keys = after.keys if stage in after.stages else before.keys
    means = [sample.mean_of(sample.stages[stage]) if stage in sample.stages else 0.0 for sample in (before, after)]
    return Part(
        name=stage,
        change_ns=change,
        interval=interval_of(draws, compared),
        is_cause=is_beyond_chance(change, draws, compared, looked_at),
        before_ns=means[0],
        after_ns=means[1],
        example_key=keys[max(range(len(column)), key=lambda place: (column[place], -place))],
    )


def _mean(sample: Sample, stage: str, places: Sequence[int]) -> float:
    column = sample.stages.get(stage)
    if column is None:
        return 0.0
    return sum(column[p] * sample.weights[p] for p in places) / sum(sample.weights[p] for p in places)


def _within_draws(
    before: Sample, after: Sample, routes: Sequence[RouteChange], stages: Sequence[str]
) -> dict[str, list[float]]:
    """Resampled inside each route, the shares held: the routes' own movement is the mix part's chance."""
    found = {stage: [0.0] * DRAWS for stage in stages}
    for route in _comparable(routes):
        sides = []
        for side, sample in (("before", before), ("after", after)):
            places = sample.places_by_route()[route.route]
            groups_max = max(_GROUPS_MIN, GROUPS_MAX * len(places) // len(sample))
            columns: Mapping[str, Sequence[int]] = {s: sample.stages[s] for s in stages if s in sample.stages}
            sides.append(resampled_means(sample, places, columns, f"{side} {route.route}", groups_max))
        share, none = _share(route), [0.0] * DRAWS
        for stage in stages:
            first, second = (side.get(stage, none) for side in sides)
            if first is not none or second is not none:
                moved = zip(found[stage], second, first, strict=True)
                found[stage] = [so_far + share * (later - earlier) for so_far, later, earlier in moved]
    return found


def _mix_part(before: Sample, after: Sample, routes: Sequence[RouteChange], mix: float, looked_at: int) -> Part:
    """The routes' means held, their shares resampled."""
    middle = (before.mean_ns + after.mean_ns) / 2
    levels: dict[str, float] = {}
    for route in routes:
        means = [mean for mean in (route.mean_before_ns, route.mean_after_ns) if mean is not None]
        levels[route.route] = sum(means) / len(means) - middle
    sides = []
    for side, sample in (("mix before", before), ("mix after", after)):
        column = [round(levels[route]) for route in sample.routes]
        sides.append(resampled_means(sample, range(len(sample)), {"": column}, side)[""])
    draws = _subtracted(sides[1], sides[0])
    requests = min(len(before), len(after))
    moved = max(routes, key=lambda route: abs(route.mix_ns))
    places = [place for place, route in enumerate(after.routes) if route == moved.route]
    example = after.keys[places[0]] if places else before.keys[before.routes.index(moved.route)]
    cause = is_beyond_chance(mix, draws, requests, looked_at)
    return Part(MIX, mix, interval_of(draws, requests), cause, before.mean_ns, before.mean_ns + mix, example)


def _subtracted(second: Sequence[float], first: Sequence[float]) -> list[float]:
    return [after - before for after, before in zip(second, first, strict=True)]


def _nothing(before: Sample, after: Sample) -> Difference:
    return Difference(len(before), len(after), before.mean_ns, after.mean_ns, 0.0, UNKNOWN, False, 0.0, 0.0, (), (), ())
