"""Whether a sentence says only what outputs hold: every number, time and name of it is looked up in them. Pure.

A sentence that is in doubt is refused. Names of machines count only where the request's own context knows them too:
what an attacker can write into a log is an output, and no reason to send somebody there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_REFUSED_SHAPES = re.compile(r"://|www\.|\]\(|!\[|[<>`{}|\\]|\$\(|&&|;\s*\w+\s+-")
_REFUSED_WORDS = re.compile(
    r"\b(?:approv\w*|authori[sz]\w*|grant(?:s|ed)?|confirmed by|curl|wget|sudo|chmod|rm|eval|base64|password\w*"
    r"|passphrase\w*|tokens?|secrets?|credentials?|api keys?|click|visit|download|paste|e-?mail|ignore\w*"
    r"|instructions?|prompts?|opswire|assistant|previous rules?)\b",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:@/+-]*[A-Za-z0-9])?")
_UNIT_BEHIND = re.compile(r"(\d[\d.,]*)([A-Za-z]{1,10})")
_STEP = re.compile(r"\bsteps? (\d{1,3})(?:(?:, | and )(\d{1,3}))*", re.IGNORECASE)
_NUMBER_WORD = re.compile(
    r"two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?|[mb]illions?|dozens?|twice|double|half"
)
_MEASURE = re.compile(
    r"(?<![\w.,:-])(\d[\d.,]*)\s?(%|percent|milliseconds?|ms|seconds?|s|minutes?|min|hours?|h|days?|d|kB|MB|GB|TB)(?!\w)"
)
_UNITS = {"percent": "%", "millisecond": "ms", "second": "s", "minute": "min", "hour": "h", "day": "d"}
_ORDINARY = frozenset(
    {
        "read-only",
        "up-to-date",
        "time-out",
        "time-outs",
        "follow-up",
        "non-zero",
        "out-of-memory",
        "client-side",
        "server-side",
        "back-end",
        "front-end",
        "e.g",
        "i.e",
        "and/or",
    }
)


def unsupported(text: str, evidence: str, names: Collection[str], steps: Collection[int]) -> str | None:
    """Why the text may not be shown, in a few words; None where everything in it is found in `evidence`.

    `names` are those that the context knows: assets, aliases, addresses, tools. `steps` are the steps' numbers.
    """
    if not text or not text.isprintable() or unicodedata.normalize("NFKC", text) != text:
        return "characters that do not show what they are"
    if any(character.isnumeric() and not character.isascii() for character in text):
        return "numbers in characters of their own"
    if _REFUSED_SHAPES.search(text):
        return "a link, markup or a command"
    if _REFUSED_WORDS.search(text):
        return "words that no finding needs"
    numbers = [int(number) for match in _STEP.finditer(text) for number in re.findall(r"\d+", match[0])]
    if any(number not in steps for number in numbers):
        return "a step that there is not"
    return _first_missing(_STEP.sub("a step", text), evidence, names)


def _first_missing(text: str, evidence: str, names: Collection[str]) -> str | None:
    known = {name.casefold() for name in names}
    for value, unit in _MEASURE.findall(text):
        short = _UNITS.get(unit.removesuffix("s") if len(unit) > 2 else unit, unit)
        if re.search(rf"(?<![\w.,:-]){re.escape(value)}\s?(?:{short}|{unit})(?!\w)", evidence) is None:
            return f"{value} {unit}, which no output holds"
    for token in _TOKEN.findall(text):
        lower = token.casefold()
        if lower in _ORDINARY:
            continue
        is_name = lower in known or re.search(r"[-_@/0-9]", token) is not None
        if is_name and not _holds(evidence, token):
            return f"{ascii(token)[:60]}, which no output holds"
        if _is_machine(token) and lower not in known and lower.partition(":")[0] not in known:
            return f"{ascii(token)[:60]}, which the request does not know"
        if _NUMBER_WORD.fullmatch(lower) and not _found(evidence, lower):
            return f"the number {lower}, which no output holds"
    return None


def _is_machine(token: str) -> bool:
    """Whether it could be the name or address of one: dots between letters or four numbers, or an `@`."""
    return "@" in token or re.search(r"[A-Za-z0-9-]\.[A-Za-z]{2,}", token) is not None or _is_address(token)


def _is_address(token: str) -> bool:
    return re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?", token) is not None or token.count(":") > 3


def _holds(evidence: str, token: str) -> bool:
    """Whether the evidence holds the token as a whole: 5 is not in 5.2, 50 or 12:05:5, and web-01 not in web-011."""
    if _found(evidence, token):
        return True
    behind = _UNIT_BEHIND.fullmatch(token)
    return behind is not None and _found(evidence, f"{behind[1]} {behind[2]}")


def _found(evidence: str, token: str) -> bool:
    pattern = rf"(?<![\w-])(?<!\w[.,:/@]){re.escape(token)}(?![\w-])(?![.,:/@]\w)"
    return re.search(pattern, evidence, re.IGNORECASE) is not None
