"""Text of others as it is: every character that hides, moves others or looks like another is named beside it.

What an approver reads must be what will run. Plain are ASCII, letters that are ASCII with a visible accent, and the
scripts of East Asia without those of their characters that look like ASCII. Everything else is shown with its code
point and name: whole words of look-alikes too, which a test for mixed scripts would let pass.
"""

from __future__ import annotations

import unicodedata

from rich.text import Text

_PLAIN_OTHERS = frozenset("ßøØæÆœŒ€£§°")
_EAST_ASIAN = (
    "CJK UNIFIED IDEOGRAPH",
    "HIRAGANA LETTER",
    "KATAKANA LETTER",
    "HANGUL SYLLABLE",
    "IDEOGRAPHIC FULL STOP",
)
_LIKE_ASCII = frozenset("一丨丶丿亅乙口囗日工二三十卜ノハニロエトーソンヘへりリ〇")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NO_NAME = {"Cc": "CONTROL", "Cs": "HALF OF A PAIR", "Co": "PRIVATE USE", "Cn": "UNASSIGNED"}
NEW_LINE = "⏎"


def is_plain(character: str) -> bool:
    """Whether a reader can take the character for nothing else."""
    if character.isascii():
        return character.isprintable()
    if character in _PLAIN_OTHERS:
        return True
    parts = unicodedata.normalize("NFD", character)
    if len(parts) > 1 and parts[0].isascii():
        return all(unicodedata.category(part) == "Mn" for part in parts[1:])
    return character not in _LIKE_ASCII and unicodedata.name(character, "").startswith(_EAST_ASIAN)


def odd_characters(text: str) -> list[str]:
    """Each character that is not plain, once, as `U+202E RIGHT-TO-LEFT OVERRIDE`. Line breaks are not odd."""
    if text.isascii() and text.isprintable():
        return []
    return list(dict.fromkeys(_named(one) for one in text if one != "\n" and not is_plain(one)))


def visible(text: str, style: str = "", margin: str = "") -> Text:
    """The text for a terminal. A line break is shown as such and the next line begins with `margin`.

    So no text of others can begin a line of ours, hide, overwrite or reorder anything.
    """
    if text.isascii() and text.isprintable():
        return Text(text, style)
    shown = Text(style=style)
    for character in text:
        if character == "\n":
            shown.append(NEW_LINE, "dim").append(f"\n{margin}")
        elif is_plain(character):
            shown.append(character)
        else:
            # What can be seen is seen too; what acts on a terminal never reaches it.
            seen = "" if unicodedata.category(character) in _INVISIBLE | {"Mn", "Me", "Mc"} else character
            shown.append(f"{seen}‹{_named(character)}›", "reverse")
    return shown


def _named(character: str) -> str:
    name = unicodedata.name(character, _NO_NAME.get(unicodedata.category(character), "UNNAMED"))
    return f"U+{ord(character):04X} {name}"
