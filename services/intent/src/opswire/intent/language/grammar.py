"""What a sentence's grammar says about names that no inventory knows: `the X service`, `on X`, `restart X`.

These are guesses: good enough to show and to search by, never good enough to decide a cache key.
"""

from __future__ import annotations

from collections.abc import Sequence

from opswire.contracts.types import EntityType
from opswire.intent.language.vocabulary import (
    ACT_VERBS,
    ASSET_TYPE_WORDS,
    METRIC_WORDS,
    NOUN_TYPES,
    PRODUCTS,
    RELEASE_VERBS,
    RESERVED_WORDS,
    STOP_WORDS,
)

_NAMING = frozenset({"named", "called", "name"})
_LOG_WORDS = frozenset({"log", "logs"})
_LOG_KINDS = frozenset("error errors access audit system application event kernel server slow debug recent".split())  # noqa: SIM905
_GIVERS = frozenset({"give", "grant", "revoke", "add", "remove", "unlock", "disable", "offboard", "onboard"})
_SUFFIX_TYPES = {
    "ns": EntityType.NAMESPACE,
    "namespace": EntityType.NAMESPACE,
    "db": EntityType.DATABASE,
    "database": EntityType.DATABASE,
    "pod": EntityType.SERVICE,
    "svc": EntityType.SERVICE,
    "service": EntityType.SERVICE,
    "api": EntityType.SERVICE,
    "app": EntityType.SERVICE,
    "worker": EntityType.SERVICE,
    "deployment": EntityType.SERVICE,
    "job": EntityType.SERVICE,
    "queue": EntityType.SERVICE,
}
_DESCRIBING_ENDS = frozenset(
    """enabled enrolled based managed related facing level wide only critical priority side ready specific running
    hosted native free""".split()  # noqa: SIM905
)
_PLACING = frozenset({"on", "in", "at", "from", "of", "to", "for"})
_PARTS_OF_NOUNS = frozenset(
    """group role account name id list data pool agent space level experience interface service session login token
    management type count number and or with authentication authorization scope wide traffic quota isolation selector
    policy field input story guide manual base
    """.split()  # noqa: SIM905
)
_ARTICLES = frozenset({"the", "our", "my", "of", "in", "for", "is"})
_RIGHTS = frozenset("sudo access root admin read write ssh permission permissions rights".split())  # noqa: SIM905


class Token:
    """One word or shape of the text: where it stands, and, once known, what it denotes."""

    __slots__ = ("end", "group", "kind", "lower", "start", "sure")

    def __init__(self, start: int, end: int, lower: str, group: str) -> None:
        self.start = start
        self.end = end
        self.lower = lower
        self.group = group
        self.kind: EntityType | None = None
        self.sure = False

    @property
    def is_open(self) -> bool:
        """Whether this may still become a name: an untyped word or quotation that carries no other meaning."""
        if self.kind is not None:
            return False
        return self.group == "quoted" or (self.lower not in STOP_WORDS and self.lower not in RESERVED_WORDS)


def name_by_grammar(tokens: Sequence[Token]) -> None:
    """Give a type to the words that the sentence points at. Tokens that have one are left alone."""
    for index, token in enumerate(tokens):
        if token.kind is not None or token.group != "word":
            continue
        word = token.lower
        noun = NOUN_TYPES.get(word)
        if noun is not None:
            _name_beside_noun(tokens, index, noun)
        elif word in ACT_VERBS or word in RELEASE_VERBS:
            _name_after_verb(tokens, index)
        elif word == "reach":
            _name_beside_reach(tokens, index)
        elif word in _LOG_WORDS:
            _name_beside_logs(tokens, index)
        elif word in _GIVERS:
            _name_of_user(tokens, index)
        elif word in PRODUCTS:
            token.kind = _kind_of_product(tokens, index)
        elif "-" in word:
            token.kind = _kind_by_suffix(word)


def _name_beside_noun(tokens: Sequence[Token], index: int, noun: EntityType) -> None:
    """`namespace X`, `service named X`, `the X service`; a noun with a number is a name itself: `VM 100`."""
    after = _at(tokens, index + 1)
    if after is not None and after.lower in _NAMING:
        after = _at(tokens, index + 2)
        named = True
    else:
        named = False
    is_numbered = noun is EntityType.HOST or tokens[index].lower == "container"
    if is_numbered and after is not None and after.kind is None and after.lower.isdigit():
        tokens[index].end = after.end
        tokens[index].kind = noun
        after.group = "swallowed"
        return
    if named and after is not None and after.is_open:
        after.kind = noun
        return
    before = _at(tokens, index - 1)
    if before is not None and tokens[index].lower == "account" and before.lower == "service":
        before = _at(tokens, index - 2)
    elif after is not None and after.lower == "account":
        return
    if before is not None and before.is_open and not _is_ordinary(before) and _is_named(tokens, before, noun):
        before.kind = noun
    elif after is not None and after.is_open and (_looks_like_a_name(after) or _is_said_to_be(tokens, index, noun)):
        after.kind = noun


def _is_said_to_be(tokens: Sequence[Token], index: int, noun: EntityType) -> bool:
    """`on node alpha`, `at site oslo`, `namespace shop`, `account jdoe`: a plain word that the noun introduces."""
    after = _at(tokens, index + 1)
    if after is None or after.group != "word" or _is_ordinary(after) or after.lower.endswith(("s", "ing", "ed")):
        return False
    if noun in (EntityType.NAMESPACE, EntityType.USER):
        return after.lower not in _PARTS_OF_NOUNS
    before = _at(tokens, index - 1)
    is_placed = before is not None and before.lower in _PLACING and after.lower not in _PARTS_OF_NOUNS
    return is_placed and noun in (EntityType.HOST, EntityType.SITE)


def _is_named(tokens: Sequence[Token], token: Token, noun: EntityType) -> bool:
    """`the checkout service`, `orders-api pod`, but not `drain node` and not `enough cluster`."""
    if _looks_like_a_name(token) or token.lower in PRODUCTS:
        return noun is not EntityType.ENVIRONMENT or token.lower not in PRODUCTS
    before = _at(tokens, tokens.index(token) - 1)
    named_by_words = noun in (EntityType.SERVICE, EntityType.DATABASE, EntityType.NAMESPACE, EntityType.APPLICATION)
    return named_by_words and before is not None and before.lower in _ARTICLES


def _is_ordinary(token: Token) -> bool:
    """Words that describe rather than name."""
    return token.group == "word" and (
        token.lower in METRIC_WORDS
        or token.lower in ASSET_TYPE_WORDS
        or token.lower in NOUN_TYPES
        or token.lower.isdigit()
    )


def _looks_like_a_name(token: Token) -> bool:
    """Behind a noun only what is spelt like an identifier, or quoted, is its name. `arc-enabled` describes."""
    if token.group == "word" and token.lower.rpartition("-")[2] in _DESCRIBING_ENDS:
        return False
    return token.group == "quoted" or "-" in token.lower or "." in token.lower or "_" in token.lower


def _name_after_verb(tokens: Sequence[Token], index: int) -> None:
    """`restart X`, `deploy the X`: the first word that can be a name, across articles and adjectives of age."""
    is_any = False
    for token in tokens[index + 1 : index + 4]:
        if token.kind is not None or token.group not in ("word", "quoted"):
            return
        is_any = is_any or token.lower in {"a", "an"}
        if token.lower in {"the", "our", "my", "a", "an", "old", "new", "latest", "whole"}:
            continue
        is_name = token.is_open and not _is_ordinary(token) and not token.lower.endswith("ing")
        if is_name and not (is_any and token.lower not in PRODUCTS and not _looks_like_a_name(token)):
            token.kind = _kind_after(tokens[index].lower, token.lower)
        return


def _kind_after(verb: str, name: str) -> EntityType:
    if verb == "install":
        return EntityType.PACKAGE
    if verb in RELEASE_VERBS or (verb == "scale" and name in PRODUCTS):
        return EntityType.APPLICATION
    return EntityType.SERVICE


def _name_beside_reach(tokens: Sequence[Token], index: int) -> None:
    """`can frontend reach backend`: both ends."""
    for token in (_at(tokens, index - 1), _at(tokens, index + 1)):
        if token is not None and token.is_open and not _is_ordinary(token):
            token.kind = EntityType.SERVICE


def _name_beside_logs(tokens: Sequence[Token], index: int) -> None:
    """`the checkout log`, `logs of checkout`."""
    before = _at(tokens, index - 1)
    if before is not None and before.is_open and before.lower not in _LOG_KINDS and not _is_ordinary(before):
        before.kind = EntityType.SERVICE
        return
    link, after = _at(tokens, index + 1), _at(tokens, index + 2)
    if link is not None and link.lower in {"for", "of", "from", "in"}:
        if after is not None and after.lower == "the":
            after = _at(tokens, index + 3)
        if after is not None and after.is_open and not _is_ordinary(after):
            after.kind = EntityType.SERVICE


def _name_of_user(tokens: Sequence[Token], index: int) -> None:
    """`give dana sudo`, `revoke bob's access`: a person, where a right follows."""
    after, right = _at(tokens, index + 1), _at(tokens, index + 2)
    if after is None or not after.is_open or right is None:
        return
    if right.lower == "s":
        right = _at(tokens, index + 3)
    if right is not None and right.lower in _RIGHTS:
        after.kind = EntityType.USER


def _kind_of_product(tokens: Sequence[Token], index: int) -> EntityType:
    """Well-known software is a service where it is asked about on a host, and an application otherwise."""
    before, after = _at(tokens, index - 1), _at(tokens, index + 1)
    if (before is not None and before.lower in {"is", "are"}) or (after is not None and after.lower == "on"):
        return EntityType.SERVICE
    return EntityType.APPLICATION


def _kind_by_suffix(word: str) -> EntityType | None:
    """`canary-ns`, `storage-pod`, `my-app-52`: identifiers say what they are by their last part."""
    suffix = word.rpartition("-")[2]
    if suffix.isdigit() and not word[0].isdigit() and word.count("-") > 1:
        return EntityType.SERVICE
    return _SUFFIX_TYPES.get(suffix)


def _at(tokens: Sequence[Token], index: int) -> Token | None:
    return tokens[index] if 0 <= index < len(tokens) else None
