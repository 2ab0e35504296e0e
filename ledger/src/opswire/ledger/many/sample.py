"""The requests of one window as columns: what every table over many requests is computed from."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opswire.ledger.rows.model import BUCKETS, RequestRow, bucket_of, is_unfinished
from opswire.ledger.rows.store import RowStore
from opswire.ledger.stages import Stage

REQUESTS_MAX = 100_000
"""Of one window in memory, some 70 MB. A fuller window is looked at by an even share of its requests."""
Pair = tuple[str, str]


@dataclass(slots=True)
class Sample:
    """Requests in columns. `stages[stage][place]` is nanoseconds, 0 where the stage did not occur.

    `share` is the part of the window's requests that is here, 1.0 for all. `unfinished` were left out: their time is
    not over. `attributes[place]` are pairs of name and value, shared objects.
    """

    keys: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    t1_ns: array[int] = field(default_factory=lambda: array("q"))
    e2e_ns: array[int] = field(default_factory=lambda: array("q"))
    weights: array[float] = field(default_factory=lambda: array("d"))
    trusted: bytearray = field(default_factory=bytearray)
    stages: dict[str, array[int]] = field(default_factory=dict)
    attributes: list[tuple[Pair, ...]] = field(default_factory=list)
    engines: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0
    share: float = 1.0
    _pairs: dict[Pair, Pair] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, row: RequestRow) -> None:
        """Take one request."""
        if is_unfinished(row.flags):
            self.unfinished += 1
            return
        place = len(self.keys)
        self.keys.append(row.request_key)
        self.routes.append(row.route)
        self.t1_ns.append(row.t1_ns)
        self.e2e_ns.append(row.e2e_ns)
        self.weights.append(row.weight)
        self.trusted.append("untrusted" not in row.flags)
        self.engines[row.engine_version] += 1
        self.outcomes[row.outcome or "unknown"] += 1
        for column in self.stages.values():
            column.append(0)
        for stage, (ns, _) in row.stages.items():
            if stage not in self.stages:
                self.stages[stage] = array("q", bytes(8 * (place + 1)))
            self.stages[stage][place] = ns
        pairs = [(name, value) for name, values in row.attributes.items() for value in values]
        self.attributes.append(tuple(self._pairs.setdefault(pair, pair) for pair in pairs))

    @property
    def weight(self) -> float:
        """How many requests these stand for."""
        return sum(self.weights)

    @property
    def mean_ns(self) -> float:
        """The mean end-to-end time; 0 for none."""
        return self.mean_of(self.e2e_ns)

    @property
    def untrusted_share(self) -> float:
        """The part whose unexplained and repaired time is 5 % or more of the request; 0 for none."""
        return (len(self) - sum(self.trusted)) / len(self) if len(self) else 0.0

    def mean_of(self, column: Sequence[int]) -> float:
        """The weighted mean of a column over all requests here."""
        weight = self.weight
        return sum(value * w for value, w in zip(column, self.weights, strict=True)) / weight if weight else 0.0

    def stage_names(self) -> list[str]:
        """The stages that occur, in the order of the closed list, foreign ones last."""
        order = {stage.value: place for place, stage in enumerate(Stage)}
        return sorted(self.stages, key=lambda name: (order.get(name, len(order)), name))

    def places_by_route(self) -> dict[str, list[int]]:
        """The places of each route's requests."""
        found: dict[str, list[int]] = {}
        for place, route in enumerate(self.routes):
            found.setdefault(route, []).append(place)
        return found


def sample_of(rows: Iterable[RequestRow], share: float = 1.0) -> Sample:
    """The columns of these rows."""
    sample = Sample(share=share)
    for row in rows:
        sample.add(row)
    return sample


def read_sample(
    store: RowStore, start_ns: int, end_ns: int, wanted: Callable[[RequestRow], bool] | None = None
) -> Sample:
    """The requests that finished in [start, end) and are wanted; an even share of them where there are too many.

    Which ones is decided by a hash of their keys: two looks at one window see the same. Raises RowStoreError.
    """
    count = store.count(start_ns, end_ns)
    buckets = BUCKETS if count <= REQUESTS_MAX else max(1, BUCKETS * REQUESTS_MAX // count)
    rows: Iterator[RequestRow] = store.rows(start_ns, end_ns, buckets)
    return sample_of((row for row in rows if wanted is None or wanted(row)), buckets / BUCKETS)


def on_route(route: str | None) -> Callable[[RequestRow], bool] | None:
    """Requests whose route is `route`, or begins with it where it ends in `*`; None for all."""
    if route is None or route == "*":
        return None
    if route.endswith("*"):
        return lambda row: row.route.startswith(route[:-1])
    return lambda row: row.route == route


def groups_of(sample: Sample, places: Sequence[int], groups_max: int) -> list[list[int]]:
    """The places in at most `groups_max` groups, by hash: alone where they are few, so that nothing is approximated."""
    if len(places) <= groups_max:
        return [[place] for place in places]
    groups: dict[int, list[int]] = {}
    for place in places:
        groups.setdefault(bucket_of(sample.keys[place]) * groups_max // BUCKETS, []).append(place)
    return [groups[number] for number in sorted(groups)]


def pairs_of(attributes: Mapping[str, Sequence[str]]) -> list[Pair]:
    """A row's attributes as pairs."""
    return [(name, value) for name, values in attributes.items() for value in values]
