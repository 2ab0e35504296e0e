"""The stage table of one request: it adds up to the end-to-end time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from opswire.ledger.drag import drags
from opswire.ledger.graph import Graph, Key, Node
from opswire.ledger.model import Request, Segment, Span, StageRow
from opswire.ledger.stages import Stage


def stage_table(request: Request, segments: Sequence[Segment], spans: Iterable[Span] = ()) -> list[StageRow]:
    """One row per stage, the largest first, `unattributed` last.

    With `spans` also what ran in parallel, hidden, and the drag of each stage on the path.
    """
    total: dict[Stage, int] = defaultdict(int)
    booked: dict[Stage, set[tuple[str, str, int]]] = defaultdict(set)
    services: dict[Stage, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for segment in segments:
        total[segment.stage] += segment.duration_ns
        gap = 0 if segment.span_id else segment.seq + 1
        booked[segment.stage].add((segment.trace_id, segment.span_id, gap))
        services[segment.stage][segment.service] += segment.duration_ns
    graph = Graph(span for span in spans if span.request_key in (None, request.request_key))
    on_path = _on_path(graph, segments)
    hidden = _hidden(request, graph, on_path)
    dragged = drags(graph, segments, on_path) if graph.nodes else {}
    rows = [
        StageRow(
            stage=stage,
            total_ns=total[stage],
            share=total[stage] / request.e2e_ns if request.e2e_ns else 0.0,
            count=len(booked[stage]),
            by_service=dict(sorted(services[stage].items(), key=lambda item: (-item[1], item[0]))),
            parallel_ns=hidden.get(stage, 0),
            drag_ns=dragged.get(stage),
        )
        for stage in {**total, **hidden}
    ]
    return sorted(rows, key=lambda row: (row.stage is Stage.UNATTRIBUTED, -row.total_ns, row.stage.value))


def _hidden(request: Request, graph: Graph, on_path: set[Key]) -> dict[Stage, int]:
    """Per stage, the time of blocking spans beside the critical path: siblings of what was waited for.

    Counted at the topmost span that is off the path, clipped to the request; it is not part of any sum.
    """
    found: dict[Stage, int] = defaultdict(int)
    for node in graph.nodes:
        if node.parent is None or node.key in on_path or node.parent.key not in on_path or node.approval:
            continue
        duration = min(node.end, request.t1_ns) - max(node.start, request.t0_ns)
        if duration > 0:
            found[node.stage or Stage.UNATTRIBUTED] += duration
    return dict(found)


def _on_path(graph: Graph, segments: Sequence[Segment]) -> set[Key]:
    on_path: set[Key] = set()
    for segment in segments:
        node: Node | None = graph.by_key.get((segment.trace_id, segment.span_id))
        while node is not None and node.key not in on_path:
            on_path.add(node.key)
            node = node.parent
    return on_path
