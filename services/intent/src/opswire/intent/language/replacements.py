"""Texts of a file of which a request has one replaced by the other: they name nothing, whatever they look like."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.intent.language.grammar import Token

_REPLACING = frozenset({"replace", "change"})
_LINKS = frozenset({"with", "to", "by"})


def swallow_replaced(tokens: Sequence[Token]) -> None:
    """In `replace "old" with "new"`, where a path outside the two says in which file, take both for plain text.

    Otherwise `change "db-01" to "db-02" in /etc/hosts on web-01` would change the file on three hosts.
    """
    pairs = [(tokens[place + 1], tokens[place + 3]) for place in range(len(tokens) - 3) if _is_pair(tokens, place)]
    if any(token.group == "path" for token in tokens):
        for token in (each for pair in pairs for each in pair):
            token.kind, token.sure, token.group = None, False, "swallowed"


def _is_pair(tokens: Sequence[Token], place: int) -> bool:
    verb, old, link, new = tokens[place : place + 4]
    return verb.lower in _REPLACING and link.lower in _LINKS and old.group == new.group == "quoted"
