"""Text of others made safe for a terminal."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\n\t")


def harmless(text: str) -> str:
    """The text with control and invisible format characters shown as escapes, so that none of them acts or hides."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}
        else character.encode("unicode_escape", errors="backslashreplace").decode()
        for character in text
    )


def one_line(text: str) -> str:
    """The same in one line: a span's name must not be able to move the cursor."""
    return " ".join(harmless(text).split())


def counted(number: int, one: str, many: str = "") -> str:
    """`1 tool`, `2 tools`, `1,000 tools`; `many` where an s does not make it."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
