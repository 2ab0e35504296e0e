"""Untrusted text on its way into an answer: bounded, and without characters that act on a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

CELL_CHARACTERS_MAX = 2_000
_LISTED_MAX = 5


def plain(text: str, characters_max: int = CELL_CHARACTERS_MAX) -> str:
    """The text with control and invisible formatting characters spelt out (`\\x1b`), cut at `characters_max`."""
    if not text.isprintable():
        text = "".join(_visible(character) for character in text[:characters_max])
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


def _visible(character: str) -> str:
    if character == "\t" or character.isprintable():
        return character
    # Other spaces (no-break, thin) are harmless; control, format, surrogate and private characters are not.
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; after five, `and 7 more`."""
    shown = [plain(name, 120) for name in names[:_LISTED_MAX]]
    if len(names) > _LISTED_MAX:
        return f"{', '.join(shown)} and {len(names) - _LISTED_MAX} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
