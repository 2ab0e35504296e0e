"""One request's trace for a terminal of 100 columns: head, waterfall, stage table. Pure: no clock, file or console."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from opswire.cli.views.figures import milliseconds, percent, thousandths
from opswire.cli.views.plain import one_line
from opswire.ledger.model import Request, Segment, Span, StageRow
from opswire.ledger.stages import Stage
from opswire.ledger.table import stage_table
from opswire.ledger.tree import Branch, tree_of
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

LINES_MAX = 200
"""Spans shown; a request with more says how many are left out."""
BAR_CELLS_MIN, BAR_CELLS_MAX = 10, 60
_NAME_CELLS, _SERVICE_CELLS, _TIME_CELLS = 33, 8, 9
_SHARE_CELLS, _HIDDEN_CELLS = 7, 10
_FOOTER, _FOOTER_OPEN = "accepted to finished", "accepted to last span"
_DEPTH_MAX = 10
_ON_PATH, _OFF_PATH, _WAITED = "█", "─", "·"
_MICROSECOND_NS = 1_000
_FACT_SUBJECT = "opswire.v1.{source}.{request_id}."
_FLAGS = {
    "no_accept_time": "the acceptance is unknown: counted from the first span",
    "no_finish": "no finish was published, or its span is lost: counted to the last span",
    "finish_before_accept": "the finish lies before the acceptance: the clocks disagree",
    "missing_parents": "spans are missing",
    "adopted": "spans without their parent were hung under the smallest that contains them",
    "duplicate_spans": "two spans have one id: the longer was kept",
    "reversed_times": "a span ends before it starts: counted as zero",
    "skew": "the clocks of two hosts disagree: times are moved as little as makes them fit",
    "skew_conflict": "two clocks cannot be made to agree: what is cut off there is unattributed",
    "no_root": "the root span is lost: counted over the spans without a parent",
    "several_roots": "several root spans: counted from the first start to the last end",
    "foreign": "not a request of Opswire's: counted over its root span",
    "empty": "no spans",
}


def render_trace(request: Request, spans: Sequence[Span], segments: Sequence[Segment]) -> list[RenderableType]:
    """Head, waterfall and stage table, in this order. Colours only add: without them nothing is lost."""
    parts: list[RenderableType] = [_head(request)]
    if not request.trusted:
        parts.append(_warning(request, segments))
    elif request.unattributed_ns:
        parts.append(Text(f"unattributed: {_reasons(segments)}", style="dim"))
    if notes := [_FLAGS[flag] for flag in request.flags if flag in _FLAGS]:
        parts.append(Text("note: " + "; ".join(notes), style="dim"))
    if request.trace_ids:
        rows = stage_table(request, segments, spans)
        parts.append(_Fitted(lambda width: _waterfall(request, spans, segments, width)))
        parts.append(Text())
        parts.append(_Fitted(lambda width: _stages(request, rows, width)))
        parts.extend(_below(request, rows))
    return parts


def render_stages(request: Request, spans: Sequence[Span], segments: Sequence[Segment]) -> RenderableType:
    """The stage table alone; its last row is what its rows add up to."""
    rows = stage_table(request, segments, spans)
    return _Fitted(lambda width: _stages(request, rows, width))


def trace_as_json(request: Request, spans: Sequence[Span], segments: Sequence[Segment]) -> dict[str, object]:
    """The same as plain values: times in nanoseconds, `segments` and `stages` sum up to `request.e2e_ns`."""
    return {
        "request": asdict(request),
        "stages": stages_as_json(request, spans, segments),
        "segments": segments_as_json(spans, segments),
        "spans": [
            {
                "depth": branch.depth,
                "stage": branch.stage.value,
                "adopted": branch.adopted,
                **asdict(branch.span),
                "attributes": dict(branch.span.attributes),
            }
            for branch in tree_of(request.request_key, spans)
        ],
    }


def stages_as_json(request: Request, spans: Sequence[Span], segments: Sequence[Segment]) -> list[dict[str, object]]:
    """The stage table as plain values."""
    return [{**asdict(row), "stage": row.stage.value} for row in stage_table(request, segments, spans)]


def segments_as_json(spans: Sequence[Span], segments: Sequence[Segment]) -> list[dict[str, object]]:
    """The partition as plain values, each with the operation (the span's name) that it belongs to; empty for a gap."""
    names = {(span.trace_id, span.span_id): span.name for span in spans}
    return [
        {
            "start_ns": segment.start_ns,
            "end_ns": segment.end_ns,
            "stage": segment.stage.value,
            "service": segment.service,
            "operation": names.get((segment.trace_id, segment.span_id), ""),
            "span_id": segment.span_id,
            "trace_id": segment.trace_id,
            "seq": segment.seq,
            "sub": segment.sub,
            "why": segment.why,
        }
        for segment in segments
    ]


def _head(request: Request) -> Text:
    head = Text()
    head.append("trace " if "foreign" in request.flags else "request ", style="dim").append(
        one_line(request.request_key), style="bold"
    )
    if request.outcome:
        good = request.outcome == "completed"
        head.append("  ").append(one_line(request.outcome), style="green" if good else "yellow")
    head.append(f"  {milliseconds(request.e2e_ns)} ms", style="bold")
    head.append(f"  unattributed {percent(request.unattributed_ns, request.e2e_ns)}")
    accepted = datetime.fromtimestamp(request.t0_ns // 1_000_000_000, UTC)
    head.append(f"\naccepted {accepted:%Y-%m-%d %H:%M:%S} UTC", style="dim")
    if request.route:
        head.append(f"  {one_line(request.route)}", style="dim")
    if request.trace_ids and request.trace_ids != (request.request_key,):
        more = f" +{len(request.trace_ids) - 1}" if len(request.trace_ids) > 1 else ""
        head.append(f"  trace {one_line(request.trace_ids[0])}{more}", style="dim")
    return head


def _warning(request: Request, segments: Sequence[Segment]) -> Text:
    share = percent(request.unattributed_ns + request.adopted_ns, request.e2e_ns)
    return Text(
        f"untrusted: {share} of the time is unexplained or repaired ({_reasons(segments)})", style="bold yellow"
    )


def _reasons(segments: Sequence[Segment]) -> str:
    reasons: dict[str, int] = {}
    for segment in segments:
        if segment.stage is Stage.UNATTRIBUTED or segment.why == "adopted":
            reasons[segment.why] = reasons.get(segment.why, 0) + segment.duration_ns
    return ", ".join(
        f"{milliseconds(time)} ms {why}" for why, time in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    )


def _below(request: Request, rows: Sequence[StageRow]) -> list[Text]:
    """What the table's figures mean for what to do next: how sure the waits are, what the largest stage is worth."""
    lines = []
    if any(row.stage is Stage.BUS_WAIT for row in rows) and request.skew_bound_ns != 0:
        bound = request.skew_bound_ns
        bar = "by an unknown time" if bound is None else f"± {milliseconds(bound)} ms"
        lines.append(Text(f"error bar: bus.wait {bar}, as the clocks of the hosts may differ", style="dim"))
    top = next((row for row in rows if row.stage is not Stage.UNATTRIBUTED and row.drag_ns), None)
    if top is not None and top.drag_ns is not None:
        rest = "" if top.drag_ns == top.total_ns else "; then what ran beside it takes over"
        lines.append(Text(f"drag: without {top.stage.value} at most {milliseconds(top.drag_ns)} ms shorter{rest}"))
    return lines


class _Fitted:
    """A table that is made when the width is known: what may be cut takes what the figures leave."""

    def __init__(self, make: Callable[[int], Table]) -> None:
        self._make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._make(options.max_width)


def _waterfall(request: Request, spans: Sequence[Span], segments: Sequence[Segment], width: int) -> Table:
    by_span: dict[tuple[str, str], list[Segment]] = {}
    for segment in segments:
        by_span.setdefault((segment.trace_id, segment.span_id), []).append(segment)
    cells = min(max(width - _NAME_CELLS - _SERVICE_CELLS - 2 * _TIME_CELLS - 5, BAR_CELLS_MIN), BAR_CELLS_MAX)
    end = f"{milliseconds(request.e2e_ns)} ms"
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(f"span ({_ON_PATH} critical path)", width=_NAME_CELLS, no_wrap=True, overflow="ellipsis")
    table.add_column("service", width=_SERVICE_CELLS, no_wrap=True, overflow="ellipsis")
    table.add_column("0" + end.rjust(cells - 1), width=cells, no_wrap=True)
    table.add_column("ms", justify="right", width=_TIME_CELLS, no_wrap=True)
    table.add_column("on path", justify="right", width=_TIME_CELLS, no_wrap=True)
    branches = tree_of(request.request_key, spans)
    for branch in branches[:LINES_MAX]:
        own = by_span.get((branch.span.trace_id, branch.span.span_id), [])
        table.add_row(*_line(request, branch, own, cells))
    if len(branches) > LINES_MAX:
        table.add_row(f"… and {len(branches) - LINES_MAX} spans more")
    return table


def _line(request: Request, branch: Branch, own: Sequence[Segment], cells: int) -> tuple[Text, ...]:
    span = branch.span
    style = "" if own else "dim"
    failed = " !" if span.status == "ERROR" else ""
    name = "  " * min(branch.depth, _DEPTH_MAX) + one_line(span.name.replace(_FACT_SUBJECT, "")) + failed
    on_path = sum(segment.duration_ns for segment in own)
    return (
        Text(name, style="red" if failed else style),
        Text(one_line(span.service), style=style),
        _bar(request, branch, own, cells),
        Text(milliseconds(max(0, span.end_ns - span.start_ns)), style=style),
        Text(milliseconds(on_path) if on_path else "", style=style),
    )


def _bar(request: Request, branch: Branch, own: Sequence[Segment], cells: int) -> Text:
    marks = [" "] * cells
    for place in _places(request, branch.start_ns, branch.end_ns, cells):
        marks[place] = _OFF_PATH
    # Waits stand before the span that ended them; what is on the path itself is drawn last, over all else.
    for segment in sorted(own, key=lambda segment: segment.start_ns >= branch.start_ns):
        mark = _ON_PATH if segment.start_ns >= branch.start_ns else _WAITED
        for place in _places(request, segment.start_ns, segment.end_ns, cells):
            marks[place] = mark
    return Text("".join(marks), style="cyan" if own else "dim")


def _places(request: Request, start_ns: int, end_ns: int, cells: int) -> range:
    if not request.e2e_ns or end_ns < request.t0_ns or start_ns > request.t1_ns:
        return range(0)
    first = (max(start_ns, request.t0_ns) - request.t0_ns) * cells // request.e2e_ns
    last = -(-(min(end_ns, request.t1_ns) - request.t0_ns) * cells // request.e2e_ns)
    first = min(first, cells - 1)
    return range(first, max(first + 1, last))


def _stages(request: Request, rows: Sequence[StageRow], width: int) -> Table:
    microseconds = _adding_up([row.total_ns for row in rows], 1, request.e2e_ns, _MICROSECOND_NS)
    shares = _adding_up([row.total_ns for row in rows], 1_000, request.e2e_ns, max(1, request.e2e_ns))
    sum_ms, sum_share = thousandths(sum(microseconds)), f"{sum(shares) / 10:.1f} %"
    time_cells = max(len(sum_ms), _TIME_CELLS)
    services_cells = max(width - len(_FOOTER_OPEN) - time_cells - _SHARE_CELLS - 4 - _HIDDEN_CELLS - 12, 10)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_footer=True, header_style="dim")
    footer = _FOOTER_OPEN if "no_finish" in request.flags else _FOOTER
    table.add_column("stage", footer=footer, width=len(_FOOTER_OPEN), no_wrap=True)
    table.add_column("ms", footer=sum_ms, justify="right", width=time_cells, no_wrap=True)
    table.add_column("share", footer=sum_share, justify="right", width=_SHARE_CELLS, no_wrap=True)
    table.add_column("n", justify="right", width=4, no_wrap=True)
    table.add_column("by service, ms", width=services_cells, no_wrap=True, overflow="ellipsis")
    table.add_column("hidden, ms", justify="right", width=_HIDDEN_CELLS, no_wrap=True)
    for row, time, share in zip(rows, microseconds, shares, strict=True):
        table.add_row(
            row.stage.value,
            thousandths(time),
            f"{share / 10:.1f} %",
            str(row.count),
            Text(_services(row)),
            milliseconds(row.parallel_ns) if row.parallel_ns else "",
            style="yellow" if row.stage is Stage.UNATTRIBUTED else None,
        )
    return table


def _services(row: StageRow) -> str:
    if len(row.by_service) == 1:
        return one_line(next(iter(row.by_service)))
    return ", ".join(f"{one_line(name) or '-'} {milliseconds(part)}" for name, part in row.by_service.items())


def _adding_up(parts: Sequence[int], times: int, total: int, unit: int) -> list[int]:
    """Each `part * times / unit`, rounded so that the rounded parts sum up to the rounded total: largest remainders."""
    rounded = [part * times // unit for part in parts]
    missing = (2 * total * times + unit) // (2 * unit) - sum(rounded)
    by_remainder = sorted(range(len(parts)), key=lambda place: (-(parts[place] * times % unit), place))
    for place in by_remainder[: max(0, missing)]:
        rounded[place] += 1
    return rounded
