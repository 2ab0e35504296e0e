"""Spans of one request in; the request and its segments out."""

from __future__ import annotations

from collections.abc import Iterable

from opswire.ledger.graph import Graph
from opswire.ledger.model import Request, Segment, Span
from opswire.ledger.skew import skew_of
from opswire.ledger.stages import Stage
from opswire.ledger.walk import ADOPTED, Walker
from opswire.ledger.window import Window, window_of

UNTRUSTED_SHARE = 0.05
_OUTCOME_ATTRIBUTES = ("opswire.outcome", "opswire.status")


def account(request_key: str, spans: Iterable[Span], window: Window | None = None) -> tuple[Request, list[Segment]]:
    """Book every nanosecond of a request. The durations of the segments sum up to `e2e_ns`; never raises.

    Spans that belong to another request are left out. `window` replaces acceptance and finish, for traces that are not
    ours.
    """
    graph = Graph(span for span in spans if span.request_key in (None, request_key))
    window = window or window_of(graph)
    segments = Walker(graph, window).segments(request_key)
    bound, flags = skew_of(graph)
    e2e = max(0, window.t1_ns - window.t0_ns)
    unattributed = sum(s.duration_ns for s in segments if s.stage is Stage.UNATTRIBUTED)
    adopted = sum(s.duration_ns for s in segments if s.why == ADOPTED)
    found = [*window.flags, *flags]
    found += ["duplicate_spans"] * bool(graph.duplicates)
    found += ["reversed_times"] * bool(graph.reversed_times)
    found += ["missing_parents"] * bool(graph.missing_parents)
    found += ["adopted"] * any(node.adopted for node in graph.nodes)
    found += ["untrusted"] * bool(unattributed + adopted >= UNTRUSTED_SHARE * e2e and unattributed + adopted > 0)
    request = Request(
        request_key=request_key,
        trace_ids=tuple(sorted({node.span.trace_id for node in graph.nodes})),
        route=_route(graph, segments),
        outcome=_outcome(graph, window),
        t0_ns=window.t0_ns,
        t1_ns=window.t0_ns + e2e,
        e2e_ns=e2e,
        unattributed_ns=unattributed,
        adopted_ns=adopted,
        missing_parents=graph.missing_parents,
        skew_bound_ns=bound,
        flags=tuple(sorted(found)),
    )
    return request, segments


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
