"""Spans of one request in; the request and its segments out."""

from __future__ import annotations

from collections.abc import Iterable

from opswire.ledger.graph import Graph
from opswire.ledger.model import SAMPLED_SHARE, Request, Segment, Span
from opswire.ledger.stages import Stage
from opswire.ledger.walk import ADOPTED, NO_STAGE, Walker
from opswire.ledger.window import Window, holds_a_request, window_of, window_of_trace

UNTRUSTED_SHARE = 0.05
SHARE_MIN = 1e-9
"""A smaller share of kept traces is no share: one request would stand for more than there are."""
_OUTCOME_ATTRIBUTES = ("opswire.outcome", "opswire.status")


def account(request_key: str, spans: Iterable[Span], window: Window | None = None) -> tuple[Request, list[Segment]]:
    """Book every nanosecond of a request. The durations of the segments sum up to `e2e_ns`; never raises.

    Spans that belong to another request are left out. `window` replaces acceptance and finish, for traces that are not
    ours.
    """
    graph = Graph(span for span in spans if span.request_key in (None, request_key))
    return _booked(request_key, graph, window or window_of(graph), ())


def account_trace(trace_id: str, spans: Iterable[Span]) -> tuple[Request, list[Segment]]:
    """The same for a trace of any system, by its root span. Never raises.

    `request_key` of what it answers is the trace id. Time in spans that no rule gives a stage is `unattributed` with
    the reason `no stage`, and its span; it makes the account no less trusted: it is known where the time went.
    """
    graph = Graph(spans)
    if holds_a_request(graph):
        return _booked(trace_id, graph, window_of(graph), ())
    return _booked(trace_id, graph, window_of_trace(graph), ("foreign",))


def _booked(request_key: str, graph: Graph, window: Window, kind: tuple[str, ...]) -> tuple[Request, list[Segment]]:
    segments = Walker(graph, window).segments(request_key)
    e2e = max(0, window.t1_ns - window.t0_ns)
    unattributed = adopted = known = 0
    for segment in segments:
        if segment.stage is Stage.UNATTRIBUTED:
            unattributed += segment.end_ns - segment.start_ns
            if kind and segment.why == NO_STAGE:
                known += segment.end_ns - segment.start_ns
        elif segment.why == ADOPTED:
            adopted += segment.end_ns - segment.start_ns
    doubtful = unattributed - known + adopted
    found = [*window.flags, *graph.skew.flags, *kind]
    found += ["skew_conflict"] * bool(graph.skew.conflicts)
    found += ["duplicate_spans"] * bool(graph.duplicates)
    found += ["reversed_times"] * bool(graph.reversed_times)
    found += ["missing_parents"] * bool(graph.missing_parents)
    found += ["adopted"] * any(node.adopted for node in graph.nodes)
    found += ["untrusted"] * bool(doubtful >= UNTRUSTED_SHARE * e2e and doubtful > 0)
    request = Request(
        request_key=request_key,
        trace_ids=tuple(sorted({node.span.trace_id for node in graph.nodes})),
        route=_entry(graph, window) if kind else _route(graph, segments),
        outcome=_outcome(graph, window),
        t0_ns=window.t0_ns,
        t1_ns=window.t0_ns + e2e,
        e2e_ns=e2e,
        unattributed_ns=unattributed,
        adopted_ns=adopted,
        missing_parents=graph.missing_parents,
        skew_bound_ns=graph.skew.bound_ns,
        flags=tuple(sorted(found)),
        weight=_weight(graph),
    )
    graph.release()
    return request, segments


def _weight(graph: Graph) -> float:
    """How many requests this one stands for: 1 / the share that was kept, where its first spans say that."""
    for node in graph.nodes:
        if node.parent is None:
            share = node.span.attributes.get(SAMPLED_SHARE)
            if isinstance(share, int | float) and not isinstance(share, bool) and SHARE_MIN <= share <= 1:
                return 1 / share
    return 1.0


def _entry(graph: Graph, window: Window) -> str:
    """What was asked of a foreign system: service and operation of the span that answered."""
    node = graph.by_key.get(window.terminal) if window.terminal is not None else None
    return f"{node.span.service} {node.span.name}".strip() if node is not None else ""


def _route(graph: Graph, segments: list[Segment]) -> str:
    """The services on the way, in the order of time: requests of one route are compared with each other."""
    services: list[str] = []
    for segment in segments:
        node = graph.by_key.get((segment.trace_id, segment.span_id))
        if node is not None and node.hop and node.span.service not in services:
            services.append(node.span.service)
    return ">".join(services)


def _outcome(graph: Graph, window: Window) -> str | None:
    if window.terminal is None or window.terminal not in graph.by_key:
        return None
    attributes = graph.by_key[window.terminal].span.attributes
    for name in _OUTCOME_ATTRIBUTES:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return None
