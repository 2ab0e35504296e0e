"""What the classifier sees of a request. Training and running call the same functions, so they cannot drift apart."""

from __future__ import annotations

import re
from itertools import pairwise

from opswire.intent.language.normalise import normalise

CHARACTERS_MAX = 600
"""What a request wants is said early; the rest is cut so that a call's time is bounded."""

GRAM_MIN = 3
GRAM_MAX = 5

_NAMES = re.compile(
    r"(?P<url>https?://\S+)"
    r"|(?P<ip>(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?(?![\w.]))"
    r"|(?P<path>(?<![\w/])(?:~|\.{1,2})?/(?!\s)[\w.@%+~=-]+(?:/[\w.@%+~*=-]*)+|(?<!\w)[a-z]:\\\S+)"
    r"|(?P<host>\b[a-z]+[a-z0-9]*(?:-[a-z0-9]+)*-?\d+(?:\.[a-z][\w.-]*)?\b)"
    r"|(?P<number>\d+(?:\.\d+)*)"
)
_MASKS = {"url": " xurl ", "ip": " xip ", "path": " xpath ", "number": "0"}
_WORD = re.compile(r"[\w@']+|[?!#/`\"]")
_SPACES = re.compile(r"\s+")


def masked(text: str) -> str:
    """The normalised text with addresses, paths, links and numbers each written one way, within 600 characters."""
    return _SPACES.sub(" ", _NAMES.sub(_mask, normalise(text[: 4 * CHARACTERS_MAX]).lower()[:CHARACTERS_MAX])).strip()


def _mask(match: re.Match[str]) -> str:
    group = match.lastgroup or "number"
    if group == "host":
        return re.sub(r"\d+", "0", match.group())
    return _MASKS[group]


def single_words(text: str) -> list[str]:
    """The words of a masked text, and the few signs that count as words."""
    return _WORD.findall(text)


def word_features(text: str) -> list[str]:
    """Words and pairs of words of a masked text; the first words also as such."""
    words = single_words(text)
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    return [*words, *pairs, *(f"^{word}" for word in words[:1])]


def character_features(text: str) -> list[str]:
    """Runs of 3 to 5 characters inside words, each word with a space at both ends: they survive typing errors."""
    found: list[str] = []
    for word in text.split():
        padded = f" {word} "
        length = len(padded)
        for size in range(GRAM_MIN, GRAM_MAX + 1):
            if length < size:
                found.append(padded)
                break
            found += [padded[start : start + size] for start in range(length - size + 1)]
    return found
