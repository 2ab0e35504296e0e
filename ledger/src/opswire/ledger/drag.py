"""How much shorter a request could be if a stage took no time: its own time, less where a sibling would take over.

A span on the critical path that ran beside another one can only be shortened to where that one ended; after that the
other is what is waited for. What is found is the most that can be won, not a promise: nobody knows when a span that
waited for another would have begun without it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from opswire.ledger.graph import Graph, Key, Node
from opswire.ledger.model import Segment
from opswire.ledger.stages import Stage


def drags(graph: Graph, segments: Sequence[Segment], on_path: set[Key]) -> dict[Stage, int]:
    """Per stage on the path, in nanoseconds. `on_path` are the spans of the segments and their ancestors."""
    own: dict[Stage, dict[Key, int]] = defaultdict(lambda: defaultdict(int))
    won: dict[Stage, int] = defaultdict(int)
    for segment in segments:
        key = (segment.trace_id, segment.span_id)
        if key in on_path and segment.end_ns <= graph.by_key[key].end and segment.start_ns >= graph.by_key[key].start:
            own[segment.stage][key] += segment.end_ns - segment.start_ns
        else:
            # Waiting before a span, and gaps: nothing runs beside them that could take over.
            won[segment.stage] += segment.end_ns - segment.start_ns
    inside_out = _inside_out(graph, on_path)
    limits = _limits(graph, on_path)
    for stage, times in own.items():
        for node in inside_out:
            gain = min(times.get(node.key, 0), limits.get(node.key, times.get(node.key, 0)))
            if not gain:
                continue
            if node.key in limits and node.parent is not None:
                times[node.parent.key] += gain
            else:
                won[stage] += gain
    return dict(won)


def _inside_out(graph: Graph, on_path: set[Key]) -> list[Node]:
    """The spans on the path, each before its parent."""
    found: list[Node] = []
    nodes = [graph.by_key[key] for key in sorted(on_path)]
    tops = [node for node in nodes if node.parent is None or node.parent.key not in on_path]
    seen: set[Key] = set()
    # The nodes after the tops are only reached where parents form a cycle.
    for top in [*tops, *nodes]:
        stack = [top]
        while stack:
            node = stack.pop()
            if node.key not in seen:
                seen.add(node.key)
                found.append(node)
                stack.extend(child for child in node.children if child.key in on_path)
    return found[::-1]


def _limits(graph: Graph, on_path: set[Key]) -> dict[Key, int]:
    """For spans below others on the path: by how much they can be shortened before a sibling beside it ends later."""
    limits: dict[Key, int] = {}
    for key in on_path:
        parent = graph.by_key[key]
        beside = sorted(child.end for child in parent.children if child.key not in on_path)
        for child in parent.children:
            if child.key in on_path and child.start < parent.end and child is not parent:
                end = min(child.end, parent.end)
                place = bisect_right(beside, end)
                taken_over = max(child.start, beside[place - 1] if place else child.start)
                limits[child.key] = end - taken_over
    return limits
