"""One request as the row store keeps it, and how it is made from an account."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opswire.ledger.model import Request, Segment, Span

BUCKETS = 10_000
PAIRS_MAX = 48
VALUE_CHARACTERS_MAX = 64
_VALUES_PER_NAME_MAX = 6
_LEFT_OUT_PREFIXES = ("messaging.", "otel.", "telemetry.", "process.", "thread.", "code.", "network.", "url.full")
_LEFT_OUT_ENDINGS = ("_ns", "_ms", "_s", ".id", "_id", ".time", ".port", ".message", ".stacktrace", ".query.text")
_LEFT_OUT = frozenset(
    {"opswire.stage", "opswire.published", "opswire.outcome", "opswire.status", "db.statement", "db.query.text"}
    | {"span.kind", "internal.span.format", "http.url", "request_id", "opswire.request_key"}
)
_ATTEMPT = "messaging.nats.message.delivery_attempt"
_CACHE_NAME = "opswire.cache.name"


@dataclass(frozen=True, slots=True)
class RowSegment:
    """One piece of the partition, with the name of the span that it was booked from."""

    start_ns: int
    end_ns: int
    stage: str
    sub: str
    trace_id: str
    span_id: str
    service: str
    operation: str
    why: str


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request's row. `stages` is stage to (nanoseconds, pieces) and sums up to `e2e_ns`; times are nanoseconds.

    `attributes` is name to the values that its spans carried: few, short, and none that names this request alone.
    """

    request_key: str
    trace_ids: tuple[str, ...]
    route: str
    outcome: str | None
    t0_ns: int
    t1_ns: int
    e2e_ns: int
    weight: float
    flags: tuple[str, ...]
    skew_bound_ns: int | None
    missing_parents: int
    unattributed_ns: int
    adopted_ns: int
    attributes: Mapping[str, Sequence[str]]
    engine_version: int
    stages: Mapping[str, tuple[int, int]]
    segments: tuple[RowSegment, ...] = ()

    @property
    def bucket(self) -> int:
        """Where the request falls when only a share of all is looked at: the same in every process, for ever."""
        return bucket_of(self.request_key)


def bucket_of(request_key: str) -> int:
    """0 to 9,999, evenly, by the key alone."""
    return zlib.crc32(request_key.encode()) % BUCKETS


def is_unfinished(flags: Iterable[str]) -> bool:
    """Whether an accepted request has not published its finish: its time is not over, and part of no table."""
    found = set(flags)
    return "no_finish" in found and "no_accept_time" not in found


def row_of(request: Request, segments: Sequence[Segment], spans: Iterable[Span]) -> RequestRow:
    """The row of an account. Pure: the same account gives the same row."""
    spans = list(spans)
    names = {(span.trace_id, span.span_id): span.name for span in spans}
    stages: dict[str, tuple[int, int]] = {}
    is_foreign = "foreign" in request.flags
    for segment in segments:
        name = stage_name(segment, is_foreign)
        total, count = stages.get(name, (0, 0))
        stages[name] = (total + segment.duration_ns, count + 1)
    return RequestRow(
        request_key=request.request_key,
        trace_ids=request.trace_ids,
        route=_route_of(request, spans, "approval.wait" in stages),
        outcome=request.outcome,
        t0_ns=request.t0_ns,
        t1_ns=request.t1_ns,
        e2e_ns=request.e2e_ns,
        weight=request.weight,
        flags=request.flags,
        skew_bound_ns=request.skew_bound_ns,
        missing_parents=request.missing_parents,
        unattributed_ns=request.unattributed_ns,
        adopted_ns=request.adopted_ns,
        attributes=attributes_of(request, spans),
        engine_version=request.engine_version,
        stages=stages,
        segments=tuple(_row_segment(segment, names, is_foreign) for segment in segments),
    )


def stage_name(segment: Segment, is_foreign: bool) -> str:
    """The stage; where another system's span has none, the service: it is known where that time went."""
    if is_foreign and segment.stage.value == "unattributed" and segment.span_id and segment.service:
        return f"service {segment.service}"
    return segment.stage.value


def _route_of(request: Request, spans: Sequence[Span], is_approved: bool) -> str:
    """What is compared with its like: with and without a person's decision are two; another system's is its root."""
    if "foreign" in request.flags:
        roots = [span for span in spans if span.parent_id is None]
        root = min(roots or spans, key=lambda span: (span.start_ns, span.span_id))
        return f"{root.service} {root.name}"[:VALUE_CHARACTERS_MAX]
    return request.route + ("+approval" if is_approved else "")


def _row_segment(segment: Segment, names: Mapping[tuple[str, str], str], is_foreign: bool) -> RowSegment:
    operation = names.get((segment.trace_id, segment.span_id), "")
    return RowSegment(
        segment.start_ns,
        segment.end_ns,
        stage_name(segment, is_foreign),
        segment.sub,
        segment.trace_id,
        segment.span_id,
        segment.service,
        operation,
        segment.why,
    )


def attributes_of(request: Request, spans: Iterable[Span]) -> dict[str, list[str]]:
    """What the slow requests may have in common: short words and yes or no, at most 48 pairs, in a fixed order.

    Numbers, times, ids and texts are left out: their values are nearly all different, and texts may be private.
    """
    found: dict[str, set[str]] = {"source": {request.request_key.partition("/")[0]}}
    if request.outcome:
        found["outcome"] = {request.outcome[:VALUE_CHARACTERS_MAX]}
    redelivered = False
    for span in spans:
        attempt = span.attributes.get(_ATTEMPT)
        redelivered = redelivered or (isinstance(attempt, int) and attempt > 1)
        if span.clock_domain:
            found.setdefault("host", set()).add(span.clock_domain[:VALUE_CHARACTERS_MAX])
        cache = span.attributes.get(_CACHE_NAME)
        for name, value in span.attributes.items():
            word = _word(name, value)
            if word is not None:
                place = f"{name} of {cache}" if isinstance(cache, str) and name != _CACHE_NAME else name
                found.setdefault(place, set()).add(word)
    found["redelivered"] = {"true" if redelivered else "false"}
    kept: dict[str, list[str]] = {}
    left = PAIRS_MAX
    for name in sorted(found, key=lambda name: (name not in ("outcome", "source", "redelivered", "host"), name)):
        values = sorted(found[name])
        # Many values of one name are a list of things, not a kind of request.
        if len(values) <= _VALUES_PER_NAME_MAX and left >= len(values):
            kept[name] = values
            left -= len(values)
    return kept


def _word(name: str, value: object) -> str | None:
    if name in _LEFT_OUT or name.startswith(_LEFT_OUT_PREFIXES) or name.endswith(_LEFT_OUT_ENDINGS):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and 0 < len(value) <= VALUE_CHARACTERS_MAX and len(name) <= VALUE_CHARACTERS_MAX:
        return None if sum(letter.isdigit() for letter in value) > 12 else value
    return None
