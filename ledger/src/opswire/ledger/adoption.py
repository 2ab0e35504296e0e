"""The repair of orphans: each is hung under the smallest span that contains it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opswire.ledger.graph import Node


def adopt(nodes: Sequence[Node], orphans: set[int]) -> None:
    """Give every node whose `id` is in `orphans` a parent, where there is one; never a descendant of its own.

    Takes time for n log n spans. What contains a span begins before it, or with it and ends later: in that order each
    orphan is asked for before it is a candidate itself. Of spans with the same times the one with the smaller id may
    hold the other.
    """
    ordered = sorted(nodes, key=_outer_first)
    # Only where a span begins before its parent can a span's descendant contain it.
    place_of = {id(node): place for place, node in enumerate(ordered)}
    upside_down = any(n.parent is not None and place_of[id(n.parent)] > place_of[id(n)] for n in ordered)
    smallest = _Smallest(sorted(-node.end for node in nodes))
    for place, node in enumerate(ordered):
        if id(node) in orphans:
            found = smallest.ending_at_or_after(node.end)
            if found is not None and upside_down and descends(found, node):
                found = _by_hand(ordered[:place], node)
            if found is not None:
                node.parent, node.adopted = found, True
        smallest.add(node)


def descends(node: Node, ancestor: Node) -> bool:
    """Whether `ancestor` is the node or above it. Parents may form a circle."""
    seen: set[int] = set()
    current: Node | None = node
    while current is not None and id(current) not in seen:
        if current is ancestor:
            return True
        seen.add(id(current))
        current = current.parent
    return False


def _by_hand(before: Sequence[Node], orphan: Node) -> Node | None:
    around = [node for node in before if node.end >= orphan.end]
    return next((node for node in sorted(around, key=_size) if not descends(node, orphan)), None)


def _outer_first(node: Node) -> tuple[int, int, tuple[str, str]]:
    return node.start, -node.end, node.key


def _size(node: Node) -> tuple[int, tuple[str, str]]:
    return node.end - node.start, node.key


class _Smallest:
    """The smallest of the spans added so far whose end is at or after a time: a Fenwick tree over the ends."""

    def __init__(self, ends: Sequence[int]) -> None:
        """`ends` are all that will be asked for or added, negated, in rising order."""
        self._ends = ends
        self._best: list[Node | None] = [None] * (len(ends) + 1)

    def add(self, node: Node) -> None:
        """One more."""
        size = _size(node)
        place = bisect_left(self._ends, -node.end) + 1
        while place < len(self._best):
            best = self._best[place]
            if best is None or size < _size(best):
                self._best[place] = node
            place += place & -place

    def ending_at_or_after(self, time: int) -> Node | None:
        """None where there is none."""
        found: Node | None = None
        place = bisect_left(self._ends, -time) + 1
        while place:
            best = self._best[place]
            if best is not None and (found is None or _size(best) < _size(found)):
                found = best
            place -= place & -place
        return found
