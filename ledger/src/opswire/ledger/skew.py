"""How far apart the clocks of two hosts may be, from the edges between them. Spans of one host need no correction."""

from __future__ import annotations

from opswire.ledger.graph import Graph, Node


def skew_of(graph: Graph) -> tuple[int | None, tuple[str, ...]]:
    """The error bar in nanoseconds (0 on one host, None where the edges do not bound it), and the flag `skew`.

    An offset of the child's clock is possible when every child fits into its parent and no message is taken before it
    was sent. Where 0 is not possible the request is flagged; times are not moved.
    """
    low: dict[tuple[str, str], int] = {}
    high: dict[tuple[str, str], int] = {}
    for node in graph.nodes:
        before = node.producer if node.hop else node.parent
        if before is None or before.span.clock_domain == node.span.clock_domain:
            continue
        _narrow(low, high, before, node)
    flags: tuple[str, ...] = ()
    bound: int | None = 0
    for pair in {**low, **high}:
        least, most = low.get(pair), high.get(pair)
        if (least is not None and least > 0) or (most is not None and most < 0):
            flags = ("skew",)
        if least is None or most is None or most < least:
            bound = None
        elif bound is not None:
            bound = max(bound, (most - least) // 2)
    return bound, flags


def _narrow(low: dict[tuple[str, str], int], high: dict[tuple[str, str], int], before: Node, node: Node) -> None:
    # One pair of hosts is one offset, seen from either side.
    pair = (before.span.clock_domain, node.span.clock_domain)
    least: int | None = before.start - node.start
    most: int | None = None if node.hop else before.end - node.end
    if pair[0] > pair[1]:
        pair = (pair[1], pair[0])
        least, most = (None if most is None else -most), (None if least is None else -least)
    if least is not None:
        low[pair] = max(low.get(pair, least), least)
    if most is not None:
        high[pair] = min(high.get(pair, most), most)
