"""Names that look like a misspelt one. They are only ever offered; nothing is picked by likeness."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from difflib import SequenceMatcher

from opswire.assets.vocabulary import fold

LIKENESS_MIN = 0.55
_RANKED_MAX = 64


def nearest(name: str, known: Iterable[str], limit: int) -> list[tuple[str, float]]:
    """Up to `limit` of the known names with their likeness to `name` (0 to 1), best first, none below LIKENESS_MIN.

    Shared pairs of letters choose 64 names (3 us each), the exact comparison ranks those. `known` should be a few
    hundred at most: the database chooses them first, by the pairs that `pairs_of` gives it.
    """
    wanted = fold(name)
    pairs = _pairs(wanted)
    rough = heapq.nlargest(_RANKED_MAX, ((_overlap(pairs, _pairs(fold(other))), other) for other in known))
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    ranked = []
    for _, other in rough:
        matcher.set_seq1(fold(other))
        ranked.append((other, round(max(matcher.ratio(), _head_likeness(wanted, fold(other))), 3)))
    ranked = [pair for pair in ranked if pair[1] >= LIKENESS_MIN]
    return sorted(ranked, key=lambda pair: (-pair[1], pair[0]))[:limit]


def pairs_of(name: str, most: int) -> list[str]:
    """Up to `most` pairs of neighbouring letters of a name, spread over all of it."""
    found = sorted(_pairs(fold(name)))
    step = max(1, -(-len(found) // most))
    return found[::step]


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 2] for i in range(len(text) - 1)) or frozenset((text,))


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    # Measured against the shorter one, so that `web01` still finds `web01.stg.example.org`.
    return len(left & right) / min(len(left), len(right))


def _head_likeness(wanted: str, other: str) -> float:
    head = other.partition("@")[0].partition(".")[0]
    return 0.95 * SequenceMatcher(None, head, wanted, autojunk=False).ratio() if head != other else 0.0
