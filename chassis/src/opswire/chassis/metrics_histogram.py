"""Histograms that keep a trace id for each bucket, at a fifth of the client library's price, and never too many series.

A series is a list of counters that one thread adds to; the thread that is asked for them copies it. The library's own
histogram takes three locks and a label look-up for each value: too dear for every span of a process.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

SERIES_MAX = 200
"""Of one histogram. Whoever can choose label values must not be able to fill the memory of whoever keeps them."""
LABEL_CHARACTERS_MAX = 120
OTHER = "_OTHER"


class Series:
    """The values of one label set. Written by one thread."""

    __slots__ = ("_bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[tuple[str, str, float, float] | None] = [None] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, trace_id: str = "", span_id: str = "", at_s: float = 0.0) -> None:
        """Count a value; the latest of each bucket stands for it with its trace. `at_s` is seconds since 1970."""
        place = bisect_left(self._bounds, value)
        self.counts[place] += 1
        self.total += value
        if trace_id:
            self.exemplars[place] = (trace_id, span_id, value, at_s)


class Histogram(Collector):
    """One histogram of a process. Label sets beyond the most that are kept share one, whose values are `_OTHER`."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
        series_max: int = SERIES_MAX,
    ) -> None:
        """`name` without suffix; `bounds` are the buckets' upper ends, rising, without infinity."""
        self.name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._ends = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        self._series_max = series_max
        self._series: dict[tuple[str, ...], Series] = {}
        registry.register(self)

    def of(self, *values: str) -> Series:
        """The series of these label values; the same one each time."""
        found = self._series.get(values)
        if found is None:
            key = tuple(value[:LABEL_CHARACTERS_MAX] for value in values)
            if len(self._series) >= self._series_max and key not in self._series:
                key = (OTHER,) * len(self._labels)
            found = self._series.setdefault(key, Series(self._bounds))
        return found

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Its name, so that the registry refuses a second one."""
        yield HistogramMetricFamily(self.name, self._documentation, labels=self._labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As it stands now. A value that is being counted meanwhile may be in the sum and not yet in a bucket."""
        family = HistogramMetricFamily(self.name, self._documentation, labels=self._labels)
        for values, series in list(self._series.items()):
            below = 0
            buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            for end, count, known in zip(self._ends, list(series.counts), list(series.exemplars), strict=True):
                below += count
                buckets.append((end, below) if known is None else (end, below, _exemplar(*known)))
            family.add_metric(values, buckets, series.total)
        yield family


def _exemplar(trace_id: str, span_id: str, value: float, at_s: float) -> Exemplar:
    return Exemplar({"trace_id": trace_id, "span_id": span_id}, value, at_s)
