"""The stage table over many requests: where the time of a window went, and how that differs from a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opswire.ledger.many.bootstrap import UNKNOWN, Interval, interval_of, is_beyond_chance, resampled_means
from opswire.ledger.many.quantiles import BANDS, places_in_band, quantiles
from opswire.ledger.many.sample import Sample

OWN_PERCENTILES = "Percentiles of single stages do not add up: they are of different requests. Shares and bands do."


@dataclass(frozen=True, slots=True)
class Change:
    """How much a mean moved against the reference, in nanoseconds. `is_certain`: more than chance would do."""

    ns: float
    interval: Interval
    is_certain: bool


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage of a window. Shares are 0 to 1, times nanoseconds.

    `share` of all time and each column of `band_means_ns` add up over the stages; the own percentiles, which are over
    the requests that have the stage, do not. `example_key` is the request that spent the most here.
    """

    stage: str
    share: float
    present: float
    mean_ns: float
    own_ns: tuple[int, int, int]
    band_means_ns: tuple[float, ...]
    change: Change | None
    example_key: str


@dataclass(frozen=True, slots=True)
class Band:
    """The requests between two percentiles of the end-to-end time; `mean_ns` is the sum of its column."""

    low: float
    high: float
    requests: int
    mean_ns: float
    example_key: str


@dataclass(frozen=True, slots=True)
class StageTable:
    """The table of a window. `e2e_ns` are its median, P95 and P99, None of no requests."""

    requests: int
    mean_ns: float
    e2e_ns: tuple[int, int, int] | None
    untrusted_share: float
    unattributed_share: float
    unfinished: int
    sampled_share: float
    engine_versions: tuple[int, ...]
    bands: tuple[Band, ...]
    lines: tuple[StageLine, ...]
    reference_requests: int
    change: Change | None


def stage_table(sample: Sample, reference: Sample | None = None) -> StageTable:
    """The table of a sample, the largest stage first; with a reference also what changed, each mean by itself."""
    banded = [places_in_band(sample.e2e_ns, sample.weights, low, high) for low, high in BANDS]
    bands = tuple(_band(sample, *limits, places) for limits, places in zip(BANDS, banded, strict=True) if places)
    changes = _changes(sample, reference) if reference is not None else {}
    lines = [_line(sample, stage, banded, changes.get(stage)) for stage in sample.stage_names()]
    total = sum(line.mean_ns for line in lines)
    unexplained = sum(line.mean_ns for line in lines if line.stage == "unattributed")
    return StageTable(
        requests=len(sample),
        mean_ns=sample.mean_ns,
        e2e_ns=_three(sample.e2e_ns, sample.weights),
        untrusted_share=sample.untrusted_share,
        unattributed_share=unexplained / total if total else 0.0,
        unfinished=sample.unfinished,
        sampled_share=sample.share,
        engine_versions=tuple(sorted(sample.engines)),
        bands=bands,
        lines=tuple(sorted(lines, key=lambda line: (line.stage == "unattributed", -line.share, line.stage))),
        reference_requests=0 if reference is None else len(reference),
        change=changes.get(""),
    )


def _line(sample: Sample, stage: str, banded: Sequence[Sequence[int]], change: Change | None) -> StageLine:
    column = sample.stages[stage]
    there = [place for place, ns in enumerate(column) if ns > 0]
    weights = [sample.weights[place] for place in there]
    mean, total = sample.mean_of(column), sample.mean_ns
    # A request to look at should be one whose account may be believed, where there is one.
    worst = max(there or [0], key=lambda place: (bool(sample.trusted[place]), column[place], -place))
    return StageLine(
        stage=stage,
        share=mean / total if total else 0.0,
        present=sum(weights) / sample.weight,
        mean_ns=mean,
        own_ns=_three([column[place] for place in there], weights) or (0, 0, 0),
        band_means_ns=tuple(_mean(column, sample.weights, places) for places in banded if places),
        change=change,
        example_key=sample.keys[worst],
    )


def _band(sample: Sample, low: float, high: float, places: Sequence[int]) -> Band:
    middle = sorted(places, key=lambda place: (sample.e2e_ns[place], place))[len(places) // 2]
    mean = _mean(sample.e2e_ns, sample.weights, places)
    return Band(low, high, len(places), mean, sample.keys[middle])


def _changes(sample: Sample, reference: Sample) -> dict[str, Change]:
    """The change of each stage's mean, and under the empty name that of the whole."""
    if not len(sample) or not len(reference):
        return {}
    names = sorted({*sample.stages, *reference.stages})
    draws = []
    for side, which in (("after", sample), ("before", reference)):
        columns: dict[str, Sequence[int]] = {name: which.stages[name] for name in names if name in which.stages}
        draws.append(resampled_means(which, range(len(which)), columns | {"": which.e2e_ns}, side))
    requests = min(len(sample), len(reference))
    return {name: _change(sample, reference, name, draws, requests, len(names)) for name in ["", *names]}


def _change(
    sample: Sample, reference: Sample, name: str, draws: Sequence[dict[str, list[float]]], requests: int, looked_at: int
) -> Change:
    means = []
    for which in (sample, reference):
        column = which.stages.get(name) if name else which.e2e_ns
        means.append(which.mean_of(column) if column is not None else 0.0)
    none = [0.0] * max(len(found[""]) for found in draws)
    now, before = (found.get(name, none) for found in draws)
    differences = [after - earlier for after, earlier in zip(now, before, strict=True)]
    change = means[0] - means[1]
    interval = interval_of(differences, requests) if differences else UNKNOWN
    return Change(change, interval, is_beyond_chance(change, differences, requests, 1 if not name else looked_at))


def _three(values: Sequence[int], weights: Sequence[float]) -> tuple[int, int, int] | None:
    found = quantiles(values, weights, 0.5, 0.95, 0.99)
    return (found[0], found[1], found[2]) if found else None


def _mean(column: Sequence[int], weights: Sequence[float], places: Sequence[int]) -> float:
    return sum(column[place] * weights[place] for place in places) / sum(weights[place] for place in places)
