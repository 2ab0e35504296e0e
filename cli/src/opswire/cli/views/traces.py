"""Many traces: one line each; a foreign trace's own time by operation; and traces as plain values. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.cli.views.figures import milliseconds, percent
from opswire.cli.views.plain import one_line
from opswire.cli.views.trace import segments_as_json, stages_as_json
from opswire.ledger.model import Request, Segment, Span
from rich.table import Table
from rich.text import Text

LINES_MAX = 50
OPERATIONS_MAX = 15


def trace_values(
    trace_id: str, request: Request, spans: Sequence[Span], segments: Sequence[Segment]
) -> dict[str, object]:
    """One trace of a file: the partition of its end-to-end time, in nanoseconds. `segments` sum up to `e2e_ns`."""
    ours = "foreign" not in request.flags
    return {
        "trace_id": trace_id,
        "request_key": request.request_key if ours and request.request_key != trace_id else None,
        "route": request.route,
        "outcome": request.outcome,
        "e2e_ns": request.e2e_ns,
        "unattributed_ns": request.unattributed_ns,
        "adopted_ns": request.adopted_ns,
        "skew_bound_ns": request.skew_bound_ns,
        "weight": request.weight,
        "flags": list(request.flags),
        "spans": len(spans),
        "segments": segments_as_json(spans, segments),
        "stages": stages_as_json(request, spans, segments),
    }


def overview(requests: Sequence[tuple[str, Request, int]], total: int) -> Table:
    """The slowest first: id, time, what nothing explains, spans, what was asked. `total` is how many there are."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    width = max((len(name) for name, _, _ in requests), default=0)
    # The id is what is typed next: it is never cut.
    table.add_column("request or trace", no_wrap=True, min_width=width)
    for heading, cells in (("ms", 9), ("unattr.", 7), ("spans", 5)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=cells)
    table.add_column("route", no_wrap=True, overflow="ellipsis")
    for name, request, spans in requests:
        table.add_row(
            Text(one_line(name)),
            milliseconds(request.e2e_ns),
            percent(request.unattributed_ns, request.e2e_ns),
            str(spans),
            Text(one_line(request.route)),
            style=None if request.trusted else "yellow",
        )
    if total > len(requests):
        table.add_row(f"… and {total - len(requests)} that were faster")
    return table


def operations(request: Request, spans: Sequence[Span], segments: Sequence[Segment]) -> Table:
    """What a foreign trace's time went to: own time on the critical path by service and operation; adds up."""
    names = {(span.trace_id, span.span_id): span.name for span in spans}
    times: dict[tuple[str, str], int] = {}
    for segment in segments:
        name = names.get((segment.trace_id, segment.span_id), f"({segment.why})")
        times[segment.service, name] = times.get((segment.service, name), 0) + segment.duration_ns
    ranked = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("own time on the critical path", no_wrap=True, overflow="ellipsis")
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    for (service, name), time in ranked[:OPERATIONS_MAX]:
        table.add_row(Text(one_line(f"{service} {name}")), milliseconds(time), percent(time, request.e2e_ns))
    rest = sum(time for _, time in ranked[OPERATIONS_MAX:])
    if rest:
        left = len(ranked) - OPERATIONS_MAX
        table.add_row(f"… and {left} operations more", milliseconds(rest), percent(rest, request.e2e_ns))
    return table
