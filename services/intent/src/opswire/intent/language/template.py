"""The slot template of a request: what its cache key is made of.

`restart {service:production:high} on {host:production:high}` stands for every request that differs only in names of
the same class. Only what the inventory or a closed shape vouches for becomes a slot; a guess stays a word, so that a
word that carries the intent can never hide in a slot. Where that is not enough there is no template at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opswire.contracts.findings import Entity
from opswire.contracts.types import EntityType
from opswire.intent.language.names import NameClass, NameIndex
from opswire.intent.language.normalise import clean, fold
from opswire.intent.language.shapes import HOST_SHAPE
from opswire.intent.language.vocabulary import ENVIRONMENT_WORDS, FLEET_WORDS, NEGATIONS, RESERVED_WORDS, STOP_WORDS

TEMPLATE_CHARACTERS_MAX = 200
"""A longer request is hardly ever asked twice, and holds more that a slot could hide."""

_UNSAFE_MARKS = re.compile(r"[{}`\"\n;|<>$\\]|(?<!\w)'|[.!?]\s+\w")
_WORDS = re.compile(r"[\w'-]+")
_SENSITIVE_PATH = re.compile(
    r"shadow|passw|secret|token|credential|\.ssh|\.env|\.pem|\.key|id_rsa|id_ed25519|kube/?config|/proc|sudoers", re.I
)
_RECURRING = re.compile(r"every|each|hourly|daily|nightly|weekly|monthly|quarterly", re.I)
_PAST = re.compile(r"last|past|previous|since|yesterday|this|today", re.I)
_INVENTORY_TYPES = frozenset(
    {EntityType.HOST, EntityType.SERVICE, EntityType.DATABASE, EntityType.NAMESPACE, EntityType.APPLICATION}
)


def template_of(text: str, entities: Sequence[Entity], names: NameIndex) -> str | None:
    """The normalised text with typed and classed slots, or None where only the text itself is a safe key.

    `entities` are those extracted from this text, in its order. None when: a negation or a fleet word stands in the
    text, it holds quotes, several sentences or braces, a name is spelt like a word that carries intent, a command is
    named, or it is longer than 200 characters.
    """
    cleaned = clean(text)
    if len(cleaned) > TEMPLATE_CHARACTERS_MAX or _UNSAFE_MARKS.search(cleaned) is not None:
        return None
    lower = cleaned.lower()
    if any(word in RESERVED_WORDS and names.lookup_key(word) is not None for word in _WORDS.findall(lower)):
        return None
    parts: list[str] = []
    spoken: list[str] = []
    position = 0
    for entity in entities:
        if entity.type is EntityType.COMMAND:
            return None
        slot = _slot(entity, names)
        start = _find(lower, entity.value.lower(), position) if slot is not None else -1
        if slot is None or start < 0:
            continue
        spoken.append(lower[position:start])
        parts += (spoken[-1], slot)
        position = start + len(entity.value)
    spoken.append(lower[position:])
    parts.append(spoken[-1])
    if any(word in _REFUSED for word in _WORDS.findall(" ".join(spoken))):
        return None
    return fold("".join(parts))


_REFUSED = NEGATIONS | FLEET_WORDS


def _slot(entity: Entity, names: NameIndex) -> str | None:
    """What stands for this entity, or None where its own spelling must stay in the key."""
    kind, value = entity.type, entity.value.lower()
    if kind in _INVENTORY_TYPES:
        known = names.lookup(value)
        if known is not None:
            return None if value in STOP_WORDS else _classed(kind, known)
        return "{host:unknown:unknown}" if kind is EntityType.HOST and HOST_SHAPE.fullmatch(value) else None
    if kind is EntityType.ENVIRONMENT:
        environment = ENVIRONMENT_WORDS.get(value) or (value if value in names.environments else None)
        return None if environment is None else f"{{environment:{environment}}}"
    if kind is EntityType.TIME_RANGE:
        return _slot_of_time(value)
    if kind is EntityType.COUNT:
        return "{count}" if value.isdigit() and int(value) > 0 else None
    if kind is EntityType.PATH:
        return None if _SENSITIVE_PATH.search(value) else "{path}"
    return _PLAIN_SLOTS.get(kind)


_PLAIN_SLOTS = {
    EntityType.IP: "{ip}",
    EntityType.PORT: "{port}",
    EntityType.VERSION: "{version}",
    EntityType.SITE: "{site}",
}


def _classed(kind: EntityType, known: NameClass) -> str:
    """One asset or several is part of the class: `restart postgres` on forty hosts is another request."""
    several = ":several" if known.count > 1 else ""
    return f"{{{kind.value}:{known.environment}:{known.criticality}{several}}}"


def _slot_of_time(value: str) -> str | None:
    """A recurring time makes a schedule, a past one a query: they never share a slot."""
    if _RECURRING.match(value):
        return "{time:recurring}"
    return "{time:past}" if _PAST.match(value) or value.endswith("ago") else None


def _find(text: str, value: str, position: int) -> int:
    """Where the value stands as a whole word from a position on, or -1."""
    start = text.find(value, position)
    while start >= 0:
        end = start + len(value)
        before_ok = start == 0 or not (text[start - 1].isalnum() or text[start - 1] in "_-")
        after_ok = end == len(text) or not (text[end].isalnum() or text[end] in "_-")
        if before_ok and after_ok:
            return start
        start = text.find(value, start + 1)
    return -1
