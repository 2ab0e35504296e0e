"""The words of a request as a model gets them: data between two marks that the words cannot contain.

Nothing random is needed: `<` and `>` never leave this function, so neither the mark that ends the request nor a chat
template's token (`<|im_end|>`, `<start_of_turn>`, `</s>`) can be spelled, and the same request is the same bytes.
"""

from __future__ import annotations

import re

from opswire.intent.language.normalise import clean

REQUEST_CHARACTERS_MAX = 2_000
HEAD_CHARACTERS = 1_400
"""Of a longer request: its first 1,400 characters and its last ones, with `GAP` between."""
GAP = " (...) "

_BRACKETED = re.compile(r"\[(/?[A-Za-z_]+)\]")
"""`[INST]` and its like are single tokens of some models."""
_ANGLES = str.maketrans({"<": "\u2039", ">": "\u203a"})


def harmless(text: str) -> str:
    """One line, nothing invisible, no control token, at most 2,000 characters; for a reader it says the same."""
    shown = _BRACKETED.sub(r"(\1)", clean(text).translate(_ANGLES))
    if len(shown) <= REQUEST_CHARACTERS_MAX:
        return shown
    return shown[:HEAD_CHARACTERS] + GAP + shown[len(shown) - (REQUEST_CHARACTERS_MAX - HEAD_CHARACTERS - len(GAP)) :]
