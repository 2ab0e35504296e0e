"""What the ledger takes and gives: spans in; a request, its segments and its stage rows out. Times are nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opswire.ledger.stages import Stage

ENGINE_VERSION = 3
"""Raised when the same spans would be booked differently: figures of two versions are not compared."""
SAMPLED_SHARE = "sampling.probability"
"""The attribute that says which share of all traces, 0 to 1, was kept when this one was."""


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span that another names without being its child."""

    trace_id: str
    span_id: str


# Spans and segments are not frozen: that costs a microsecond more to make one, and a span of the input means three of
# them in 15 microseconds. Nothing changes one that was made.


@dataclass(slots=True)
class Span:
    """One timed piece of work, as recorded. Nothing is checked: times may run backwards and parents may be missing."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str = "UNSET"
    attributes: Mapping[str, object] = field(default_factory=dict)
    links: tuple[SpanLink, ...] = ()
    clock_domain: str = ""
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request from accepted (t0) to finished (t1). `request_key` is `<source>/<request id>`.

    `flags` are sorted words: what was missing, repaired or guessed. `untrusted` means that what nothing explains and
    what was repaired are 5 % of the whole or more. `skew_bound_ns` is the error bar of bus.wait, None where unknown.
    `weight` is how many requests this one stands for: 1 / the share that sampling kept.
    """

    request_key: str
    trace_ids: tuple[str, ...]
    route: str
    outcome: str | None
    t0_ns: int
    t1_ns: int
    e2e_ns: int
    unattributed_ns: int
    adopted_ns: int
    missing_parents: int
    skew_bound_ns: int | None
    flags: tuple[str, ...]
    weight: float = 1.0
    engine_version: int = ENGINE_VERSION

    @property
    def trusted(self) -> bool:
        """Whether the stage table may be believed."""
        return "untrusted" not in self.flags


@dataclass(slots=True)
class Segment:
    """One piece of the partition of [t0, t1]: it begins where the one before ended. `why` explains what is special."""

    request_key: str
    seq: int
    start_ns: int
    end_ns: int
    stage: Stage
    sub: str
    trace_id: str
    span_id: str
    service: str
    why: str

    @property
    def duration_ns(self) -> int:
        """How long; above zero."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of one request. `total_ns` over all rows is the end-to-end time; `parallel_ns` was hidden behind it.

    `share` is of the end-to-end time, 0 to 1; `count` is the number of spans booked, and of gaps. `drag_ns` is how much
    shorter the request could be if this stage took no time, before spans that ran beside it take over: at most
    `total_ns`, and that where nothing ran beside it. None where it was not asked for.
    """

    stage: Stage
    total_ns: int
    share: float
    count: int
    by_service: Mapping[str, int]
    parallel_ns: int = 0
    drag_ns: int | None = None
