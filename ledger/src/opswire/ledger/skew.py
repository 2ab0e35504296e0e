"""How far apart the clocks of the hosts are, from the edges between them, and what to add to each to make them agree.

A shift of the child's clock is possible when every child fits into its parent and no message is taken before it was
sent. Where no shift is needed none is made. Spans of one host are never moved against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opswire.ledger.graph import Node

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Skew:
    """What is known of the clocks of one request.

    `shifts_ns` is what was added to the times of a clock domain. `bound_ns` is half of what the largest shift could
    differ (the error bar of bus.wait): 0 on one host, None where the edges do not bound it. `conflicts` are pairs of
    domains that no shift makes agree: their spans are clipped and what was cut off is nobody's.
    """

    shifts_ns: dict[str, int] = field(default_factory=dict)
    bound_ns: int | None = 0
    flags: tuple[str, ...] = ()
    conflicts: frozenset[Pair] = frozenset()


ONE_CLOCK = Skew()


def skew_of(nodes: Iterable[Node]) -> Skew:
    """Bounds of the shift for every pair of hosts, then one shift per host, counted from the host that accepted.

    The result does not depend on the order of the nodes.
    """
    low: dict[Pair, int] = {}
    high: dict[Pair, int] = {}
    first: tuple[int, str] | None = None
    for node in nodes:
        if node.depends is None:
            found = node.start, node.span.clock_domain
            first = found if first is None or found < first else first
        elif node.depends.span.clock_domain != node.span.clock_domain:
            _narrow(low, high, node.depends, node)
    shift_of: dict[Pair, int] = {}
    conflicts = set()
    bound: int | None = 0
    for pair in sorted({**low, **high}):
        least, most = low.get(pair), high.get(pair)
        shift_of[pair] = _shift(least, most)
        if least is None or most is None:
            bound = None
        elif most < least:
            bound = None
            conflicts.add(pair)
        elif bound is not None:
            bound = max(bound, (most - least) // 2)
    flags = ("skew",) if conflicts or any(shift_of.values()) else ()
    return Skew(_spread(shift_of, first[1] if first else ""), bound, flags, frozenset(conflicts))


def _narrow(low: dict[Pair, int], high: dict[Pair, int], before: Node, node: Node) -> None:
    # One pair of hosts is one shift, seen from either side.
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


def _shift(least: int | None, most: int | None) -> int:
    """What to add to the clock of the pair's second host: nothing where that is possible, else the middle."""
    if least is not None and most is not None:
        if most < least or least <= 0 <= most:
            return 0
        return (least + most) // 2
    if least is not None:
        return max(0, least)
    return min(0, most or 0)


def _spread(shift_of: dict[Pair, int], origin: str) -> dict[str, int]:
    """One shift for each host: along the pairs, from the host where it began; hosts without a way to it keep theirs."""
    if not any(shift_of.values()):
        return {}
    beside: dict[str, list[tuple[str, int]]] = {}
    for (left, right), shift in shift_of.items():
        beside.setdefault(left, []).append((right, shift))
        beside.setdefault(right, []).append((left, -shift))
    shifts: dict[str, int] = {}
    for start in [origin, *sorted(beside)]:
        if start in shifts:
            continue
        shifts[start] = 0
        waiting = [start]
        for here in waiting:
            for there, shift in sorted(beside.get(here, ())):
                if there not in shifts:
                    shifts[there] = shifts[here] + shift
                    waiting.append(there)
    return {domain: shift for domain, shift in shifts.items() if shift}
