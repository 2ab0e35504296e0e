"""The things of a text that a model may name: pieces of the text itself, those that the inventory knows first.

A model chooses among them and cannot spell a host that the request did not spell. Nothing here asks another service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from opswire.intent.language.entities import find_tokens
from opswire.intent.language.grammar import Token
from opswire.intent.language.names import NameIndex
from opswire.intent.language.vocabulary import RESERVED_WORDS, STOP_WORDS
from opswire.intent.prompts.outputs import VALUE_CHARACTERS_MAX

CANDIDATES_MAX = 24
"""More than this in a schema costs a model server more than a call that chooses a word first."""
TERMS_MAX = 64
"""So many words are offered in that call."""

PARTS_MAX = 4
"""A word of more parts is not tried with other joints."""

_JOINTS = ("-", "_", ".", "")
_PARTS = re.compile(r"[-_.]|(?<=[a-z])(?=\d)")


@dataclass(frozen=True, slots=True)
class Candidates:
    """`spans` are pieces of the text as it spells them, the likeliest names first, each once in any case.

    `is_resolved`: the inventory has a name that stands in the text or is one joint away from it (`web 01`, `web01`).
    """

    spans: tuple[str, ...]
    is_resolved: bool


def find_candidates(cleaned: str, names: NameIndex) -> Candidates:
    """Every piece of a cleaned text that could be an entity. Never raises."""
    tokens = find_tokens(cleaned, names)
    known = [_span(token, cleaned) for token in tokens if _is_known(token, cleaned, names)]
    near = [cleaned[start:end] for start, end in _near(tokens, names)]
    typed = [_span(token, cleaned) for token in tokens if token.kind is not None]
    words = [_span(token, cleaned) for token in tokens if token.is_open]
    return Candidates(_distinct((*known, *near, *typed, *words)), bool(known or near))


def search_terms(candidates: Candidates) -> tuple[str, ...]:
    """The words that a model may search the candidates by."""
    return _distinct(word for span in candidates.spans for word in span.split())[:TERMS_MAX]


def matches(term: str, candidates: Candidates, cleaned: str) -> tuple[str, ...]:
    """The candidates that hold the term, then those that stand nearest to it in the text; at most 24."""
    lower, wanted = cleaned.lower(), term.lower()
    places = [found.start() for found in re.finditer(re.escape(wanted), lower)]

    def distance(span: str) -> int:
        if wanted in span.lower():
            return -1
        start = lower.find(span.lower())
        return min((abs(start - place) for place in places), default=len(cleaned))

    return tuple(sorted(candidates.spans, key=distance)[:CANDIDATES_MAX])


def spelled_in(value: str, cleaned: str) -> str | None:
    """The value as the text spells it, standing there as whole words; None where it does not, or says nothing."""
    if not value or value.lower() in STOP_WORDS or value.lower() in RESERVED_WORDS:
        return None
    found = re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", cleaned, re.IGNORECASE)
    return found.group() if found is not None else None


def _span(token: Token, cleaned: str) -> str:
    return cleaned[token.start : token.end].strip("'\"`")


def _is_known(token: Token, cleaned: str, names: NameIndex) -> bool:
    return token.kind is not None and names.lookup(_span(token, cleaned)) is not None


def _near(tokens: Sequence[Token], names: NameIndex) -> list[tuple[int, int]]:
    """Where one or two words are a name of the inventory but for the joint between their parts."""
    found = []
    open_words = [token for token in tokens if token.group == "word" and token.lower not in STOP_WORDS]
    for token in open_words:
        parts = _PARTS.split(token.lower)
        if 1 < len(parts) <= PARTS_MAX and _is_name(parts, names):
            found.append((token.start, token.end))
    for first, second in pairwise(open_words):
        if second.start - first.end == 1 and _is_name((first.lower, second.lower), names):
            found.append((first.start, second.end))
    return found


def _is_name(parts: Sequence[str], names: NameIndex) -> bool:
    return any(names.lookup_key(joint.join(parts)) is not None for joint in _JOINTS)


def _distinct(spans: Iterable[str]) -> tuple[str, ...]:
    """Each once in any case, without those that are too long for a reply."""
    kept: dict[str, str] = {}
    for span in spans:
        if len(span) > 1 and len(span) <= VALUE_CHARACTERS_MAX:
            kept.setdefault(span.lower(), span)
    return tuple(kept.values())
