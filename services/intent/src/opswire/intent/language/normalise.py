"""One spelling for requests that differ only in typing: the first step of the cache key and of the classifier.

What is quoted keeps its case and its inner punctuation: `ls -L` and `ls -l` are two commands.
"""

from __future__ import annotations

import re
import unicodedata

_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
"""Controls, zero-width, bidirectional and tag-block characters, private use, lone surrogates: invisible to a reader."""

_INVISIBLE_MARKS = frozenset(
    [chr(code) for code in range(0xFE00, 0xFE10)]
    + [chr(code) for code in range(0xE0100, 0xE01F0)]
    + ["\u115f", "\u1160", "\u3164", "\uffa0", "\u034f", "\u17b4", "\u17b5", "\u2800"]
)
"""Variation selectors and fillers: letters or marks by category, and yet nothing is seen."""

_SPELLINGS = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "‛": "'", "“": '"', "”": '"', "„": '"', "´": "'", "–": "-", "—": "-", "−": "-"}
)

_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")

_GREETING = (
    r"(?:please|pls|plz|kindly|hi|hello|hey|yo|ok|okay|so|also|just|hubot|botkube|bot|ops ?bot|opswire|team|all|there"
    r"|folks|good (?:morning|afternoon|evening)|thanks|sorry|quick one|quick question|@[\w-]+)(?:\s*[,:!.;-]+\s*|\s+)"
)
_ASKING = (
    r"(?:can|could|would|will) (?:you|u|we|someone|somebody|anyone) (?:(?:please|pls|plz|kindly|just|quickly|maybe) )*"
)
_WISHING = (
    r"(?:would you mind|do you mind|could i (?:ask|bother) you to|i(?:'d| would) (?:like|love) (?:you )?to"
    r"|i (?:need|want) (?:you )?to|we (?:need|want|have) to|i wanna|let's|lets|go ahead and|help me(?: to)?"
    r"|any chance you (?:can|could)|is it possible to|be so kind (?:as )?to)\s+"
)
_LEADING = re.compile(rf"(?:{_GREETING}|{_ASKING}|{_WISHING})+")
_LEADING_STARTS = frozenset(
    """please pls plz kindly hi hello hey yo ok okay so also just hubot botkube bot ops opsbot opswire team good thanks
    sorry quick can could would will do i i'd we let's lets go help any is be""".split()  # noqa: SIM905
)
_ALONE = frozenset({"all", "team", "there", "folks", "so", "also", "just", "sorry", "bot"})
_TRAILING = re.compile(
    r"(?:[\s,;.!?:…-]+(?:please|pls|plz|thanks(?: (?:a lot|so much|in advance|all|team))?|thx|ty|tia|cheers"
    r"|thank you(?: (?:so|very) much)?|if you can|when you (?:can|get a chance|have a (?:moment|minute|sec))"
    r"|for me))+$"
)
_TRAILING_WORDS = ("please", "pls", "plz", "thank", "thx", "ty", "tia", "cheers", "if you can", "when you", "for me")


def clean(text: str) -> str:
    """The text as a reader sees it, on one line: NFKC, nothing invisible, one space between words; case is kept."""
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text).translate(_SPELLINGS)
        text = "".join(
            character
            for character in text
            if character.isspace()
            or (unicodedata.category(character) not in _DROPPED_CATEGORIES and character not in _INVISIBLE_MARKS)
        )
    return " ".join(text.split())


def normalise(text: str) -> str:
    """The normal form: cleaned, lower case, politeness at either end and trailing punctuation folded away.

    What stands in quotes keeps its case. A text that is nothing but politeness keeps it. Never raises.
    """
    cleaned = clean(text)
    return fold(lower_outside_quotes(cleaned))


def lower_outside_quotes(text: str) -> str:
    """Lower case, except inside quotes and backticks."""
    if '"' not in text and "`" not in text and "'" not in text:
        return text.lower()
    parts: list[str] = []
    position = 0
    for match in _QUOTED.finditer(text):
        parts.append(text[position : match.start()].lower())
        parts.append(match.group())
        position = match.end()
    parts.append(text[position:].lower())
    return "".join(parts)


def fold(text: str) -> str:
    """Take politeness from both ends and punctuation from the end of a cleaned, lower-case text."""
    folded = text.rstrip(" .!?,;:…")
    if folded.startswith("@") or folded.partition(" ")[0].rstrip(",:!.;-") in _LEADING_STARTS:
        leading = _LEADING.match(folded)
        if leading is not None and not _only_a_bare_word(leading.group()):
            folded = folded[leading.end() :]
    if any(word in folded for word in _TRAILING_WORDS):
        folded = _TRAILING.sub("", folded)
    return folded.strip(" .!?,;:…") or text


def _only_a_bare_word(leading: str) -> bool:
    """Whether a leading match is one ordinary word: `all hosts` is not a greeting, `hi all,` is."""
    return leading.strip(" ,:!.;-") in _ALONE and not leading.rstrip().endswith((",", ":", "!"))
