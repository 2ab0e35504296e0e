"""The spans of a request in the order in which a person reads them: each under the one that caused it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opswire.ledger.graph import Graph, Key, Node
from opswire.ledger.model import Span
from opswire.ledger.stages import Stage


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree. A CONSUMER stands under the PRODUCER whose message it took."""

    depth: int
    span: Span
    stage: Stage
    adopted: bool


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
            branches.append(Branch(depth, node.span, node.stage or Stage.UNATTRIBUTED, node.adopted))
            stack.extend((depth + 1, child) for child in reversed(below.get(node.key, [])))
    return branches
