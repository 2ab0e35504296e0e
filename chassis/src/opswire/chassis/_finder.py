"""Stands for ahocorasick-rs until it is in the lock."""

from __future__ import annotations

import re
from enum import Enum


class MatchKind(Enum):
    """The one kind that is used."""

    LeftmostLongest = 1


class AhoCorasick:
    """Many words in one text, by a pattern."""

    def __init__(self, words: list[str], matchkind: MatchKind | None = None) -> None:  # noqa: ARG002
        self._index = {word: index for index, word in enumerate(words)}
        ordered = sorted(words, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)))

    def find_matches_as_indexes(self, text: str, overlapping: bool = False) -> list[tuple[int, int, int]]:
        """Index, begin and end of each."""
        if overlapping:
            return [(index, 0, 0) for word, index in self._index.items() if word in text]
        return [(self._index[found[0]], found.start(), found.end()) for found in self._pattern.finditer(text)]
