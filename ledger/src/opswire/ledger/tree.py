"""The spans of a request in the order in which a person reads them: each under the one that caused it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opswire.ledger.graph import Graph, Key, Node
from opswire.ledger.model import Span
from opswire.ledger.stages import Stage


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree. A CONSUMER stands under the PRODUCER whose message it took.

    `start_ns` and `end_ns` are on the clock of the host that accepted the request, as the segments are; the span's own
    times are as recorded.
    """

    depth: int
    span: Span
    stage: Stage
    adopted: bool
    start_ns: int
    end_ns: int


def tree_of(request_key: str, spans: Iterable[Span]) -> list[Branch]:
    """All spans of the request, each once, siblings in the order of time. Cycles are cut; never raises."""
    graph = Graph(span for span in spans if span.request_key in (None, request_key))
    below: dict[Key, list[Node]] = {}
    roots = []
    for node in graph.nodes:
        above = node.producer if node.hop else node.parent
        if above is None:
            roots.append(node)
        else:
            below.setdefault(above.key, []).append(node)
    branches: list[Branch] = []
    seen: set[Key] = set()
    # The nodes after the roots are only reached where parents form a cycle.
    for root in [*roots, *graph.nodes]:
        stack = [(0, root)]
        while stack:
            depth, node = stack.pop()
            if node.key in seen:
                continue
            seen.add(node.key)
            stage = node.stage or Stage.UNATTRIBUTED
            branches.append(Branch(depth, node.span, stage, node.adopted, node.start, node.end))
            stack.extend((depth + 1, child) for child in reversed(below.get(node.key, [])))
    return branches
