"""Whether a cache answers what its source would: a share of its hits is recomputed and compared."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opswire.chassis.caching.entry import Entry

WINDOW = 200
"""The last comparisons that decide."""
COMPARED_MIN = 20
"""Below that nothing is decided: one wrong of three says little."""
GRACE_S = 2.0
"""How long a change may take from the source to the log; a difference counts when it is still there after that."""


class Transparency:
    """Chooses hits, and keeps count. `share` of all hits is compared; more than `wrong_share_max` wrong is too many."""

    def __init__(self, share: float, wrong_share_max: float, told: Callable[[bool], None] = lambda _: None) -> None:
        """`told` hears of each comparison whether the hit was right."""
        self.share = share
        self._told = told
        self.wrong_share_max = wrong_share_max
        self.checked = 0
        self.wrong = 0
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._owed = 0.0

    def choose(self, entries: Iterable[Entry[Any]]) -> Sequence[Entry[Any]]:
        """Entries whose next hit is to be compared: as many as the hits since the last choice owe, by their hits."""
        found = [entry for entry in entries if entry.hits > entry.hits_seen]
        weights = [entry.hits - entry.hits_seen for entry in found]
        for entry in found:
            entry.hits_seen = entry.hits
        self._owed += sum(weights) * self.share
        wanted, self._owed = int(self._owed), self._owed % 1
        return random.choices(found, weights, k=wanted) if found else []  # noqa: S311  a sample, no secret

    def record(self, is_right: bool) -> str:
        """Count one comparison; why the cache must be switched off, or nothing."""
        self.checked += 1
        self.wrong += not is_right
        self._told(is_right)
        self._recent.append(is_right)
        wrong, compared = self._recent.count(False), len(self._recent)
        if compared >= COMPARED_MIN and wrong > compared * self.wrong_share_max:
            return f"{wrong} of the last {compared} recomputed hits were wrong"
        return ""

    def forget(self) -> None:
        """Decide anew, for a cache that was switched on again."""
        self._recent.clear()
