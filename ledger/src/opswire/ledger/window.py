"""From when to when a request is accounted for: accepted (t0), finished (t1), and the span that finished it."""

from __future__ import annotations

from dataclasses import dataclass

from opswire.ledger.graph import STORED_TIME, Graph, Node, destination, whole


@dataclass(frozen=True, slots=True)
class Window:
    """[t0, t1] and the span the walk starts in. `terminal` is (trace id, span id), None when there is no span."""

    t0_ns: int
    t1_ns: int
    terminal: tuple[str, str] | None
    flags: tuple[str, ...] = ()


def window_of(graph: Graph) -> Window:
    """The window of a request. Falls back to the first start and the last end, and flags that it did."""
    if not graph.nodes:
        return Window(0, 0, None, ("empty",))
    flags = []
    t0 = _accepted(graph)
    if t0 is None:
        t0 = min(node.start for node in graph.nodes)
        flags.append("no_accept_time")
    terminal = _finisher(graph)
    if terminal is None:
        terminal = max(graph.nodes, key=lambda node: (node.end, -node.start, node.key))
        flags.append("no_finish")
    if terminal.end < t0:
        flags.append("finish_before_accept")
    return Window(t0, max(t0, terminal.end), terminal.key, tuple(flags))


def window_of_trace(graph: Graph) -> Window:
    """The window of a trace that is not of a request of ours: its root span, from start to end.

    With several roots it goes from the first start to the last end and says so; a root that is lost is replaced by
    the spans that lack their parent.
    """
    if not graph.nodes:
        return window_of(graph)
    flags = []
    roots = [node for node in graph.nodes if _is_root(graph, node)]
    if not roots:
        flags.append("no_root")
        roots = [node for node in graph.nodes if node.depends is None] or graph.nodes
    elif len(roots) > 1:
        flags.append("several_roots")
    terminal = max(roots, key=lambda node: (node.end, -node.start, node.key))
    return Window(min(node.start for node in roots), terminal.end, terminal.key, tuple(flags))


def holds_a_request(graph: Graph) -> bool:
    """Whether a request of ours was accepted in it, although no span carries its key."""
    return any(_is_acceptance(node) for node in graph.nodes)


def _is_root(graph: Graph, node: Node) -> bool:
    # What follows another span of its own trace is no beginning, though nothing is its parent.
    span = node.span
    if span.parent_id or node.depends is not None:
        return False
    return not span.links or graph.linked(node, lambda _: True) is None


def _is_acceptance(node: Node) -> bool:
    if node.span.kind != "CONSUMER":
        return False
    subject = destination(node.span)
    return subject.startswith("opswire.") and subject.endswith(".submitted")


def _accepted(graph: Graph) -> int | None:
    times = []
    for node in graph.nodes:
        if node.span.kind == "CONSUMER" and destination(node.span).endswith(".submitted"):
            stored = whole(node.span.attributes.get(STORED_TIME))
            # The broker's clock may be ahead of ours by a little: accepted is never after taken.
            times.append(node.start if stored is None else min(stored, node.start))
    return min(times, default=None)


def _finisher(graph: Graph) -> Node | None:
    found = []
    for node in graph.nodes:
        if node.span.kind == "PRODUCER" and destination(node.span).endswith(".finished"):
            published = node.span.attributes.get("opswire.published")
            if published is None or published is True:
                found.append((published is None, node.end, node.key, node))
    return min(found)[3] if found else None
