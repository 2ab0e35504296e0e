"""The words of a request as a model gets them: data between two marks that the words cannot contain.

Nothing random is needed: `<` and `>` never leave this module, so neither the mark that ends the request nor a chat
template's token (`<|im_end|>`, `<start_of_turn>`, `</s>`) can be spelled, and the same request is the same bytes.
"""

from __future__ import annotations

import re

from opswire.intent.language.normalise import clean

REQUEST_CHARACTERS_MAX = 2_000
HEAD_CHARACTERS = 1_400
"""Of a longer request a model sees its first 1,400 characters, `GAP`, and its last ones up to 2,000 in all."""
GAP = " (...) "

_BRACKETED = re.compile(r"\[(/?[A-Za-z_]+)\]")
"""`[INST]` and its like are single tokens of some models."""
_ANGLES = {"<": "\u2039", ">": "\u203a"}
_TO_HARMLESS = str.maketrans(_ANGLES)
_FROM_HARMLESS = str.maketrans({harmless: angle for angle, harmless in _ANGLES.items()})


def visible(text: str) -> str:
    """What a model sees of a text, not yet harmless: one line, nothing invisible, at most 2,000 characters."""
    cleaned = clean(text)
    if len(cleaned) <= REQUEST_CHARACTERS_MAX:
        return cleaned
    tail_characters = REQUEST_CHARACTERS_MAX - HEAD_CHARACTERS - len(GAP)
    return cleaned[:HEAD_CHARACTERS].rstrip() + GAP + cleaned[-tail_characters:].lstrip()


def harmless(text: str) -> str:
    """The visible text without control tokens; a reader understands the same."""
    return _BRACKETED.sub(r"(\1)", visible(text).translate(_TO_HARMLESS))


def original(value: str) -> str:
    """A value that a model copied from a harmless text, as the request spells it."""
    return value.translate(_FROM_HARMLESS)
