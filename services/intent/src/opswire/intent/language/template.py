"""The slot template of a request: what its cache key is made of.

`is {service:other} up on {host:production}` stands for every request that differs only in names of the same type and
class. The class is the one line that every rule draws: what is in production, may be, or is critical, and the rest; the
risk itself is computed for each request from all that is known of its names. Only what the inventory or a closed shape
vouches for becomes a slot; a guess stays a word, so that a word that carries the intent can never hide in a slot. Where
that is not enough there is no template at all: then only the normalised text is a key. So it is with production, whole
fleets, negations, destruction and secrets, whose words decide what a request may do. Nothing here is ever near another
text by likeness: a template is equal or it is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opswire.contracts.findings import Entity
from opswire.contracts.types import EntityType
from opswire.intent.language.names import MIXED, NameClass, NameIndex
from opswire.intent.language.normalise import clean, fold
from opswire.intent.language.shapes import HOST_SHAPE
from opswire.intent.language.vocabulary import ENVIRONMENT_WORDS, FLEET_WORDS, NEGATIONS, RESERVED_WORDS, STOP_WORDS

TEMPLATE_CHARACTERS_MAX = 200
"""A longer request is hardly ever asked twice, and holds more that a slot could hide."""

_UNSAFE_MARKS = re.compile(r"[{}`\"\n;|<>$\\]|(?<!\w)'|[.!?]\s+\w")
_WORDS = re.compile(r"[\w'-]+")
_PARTS = re.compile(r"[^\W\d_]+")
_SENSITIVE_PATH = re.compile(
    r"shadow|passw|secret|token|credential|\.ssh|\.env|\.pem|\.key|id_rsa|id_ed25519|kube/?config|/proc|sudoers", re.I
)
_RECURRING = re.compile(r"every|each|hourly|daily|nightly|weekly|monthly|quarterly", re.I)
_PAST = re.compile(r"last|past|previous|since|yesterday|this|today", re.I)
_INVENTORY_TYPES = frozenset(
    {EntityType.HOST, EntityType.SERVICE, EntityType.DATABASE, EntityType.NAMESPACE, EntityType.APPLICATION}
)
_DESTRUCTION = frozenset(
    """delete deleting deletes deletion remove removing drop dropping purge wipe erase destroy nuke truncate terminate
    uninstall rm rmdir mkfs format flush flushall decommission""".split()  # noqa: SIM905
)
_SECRETS = frozenset(
    """secret secrets password passwords passwd passphrase passphrases token tokens credential credentials key keys
    apikey apikeys vault pin pins""".split()  # noqa: SIM905
)
_PRODUCTION = frozenset({"production", "prod", "prd"})
_GUARDED_ENVIRONMENTS = frozenset({*_PRODUCTION, MIXED, "unknown"})
_REFUSED = NEGATIONS | FLEET_WORDS
_REFUSED_PARTS = _DESTRUCTION | _SECRETS | _PRODUCTION
_TELLING = RESERVED_WORDS | _REFUSED | _REFUSED_PARTS
"""In a name these may sway the reading: `token-service`, `backup-01`. Such a name stands in the key as it is spelt."""


def template_of(text: str, entities: Sequence[Entity], names: NameIndex) -> str | None:
    """The normalised text with typed and classed slots, or None where only the text itself is a safe key.

    `entities` are those extracted from this text, in its order. None when: a word of negation, fleet, production,
    destruction or secrets stands in the text, it holds quotes, several sentences or braces, a name is spelt like a word
    that carries intent, a command or a sensitive path is named, or it is longer than 200 characters.
    """
    cleaned = clean(text)
    if len(cleaned) > TEMPLATE_CHARACTERS_MAX or _UNSAFE_MARKS.search(cleaned) is not None:
        return None
    lower = cleaned.lower()
    if _SENSITIVE_PATH.search(lower) is not None:
        return None
    if any(word in RESERVED_WORDS and names.lookup_key(word) is not None for word in _WORDS.findall(lower)):
        return None
    parts: list[str] = []
    spoken: list[str] = []
    position = 0
    for entity in entities:
        if entity.type is EntityType.COMMAND or _is_production(entity):
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
    own_words = " ".join(spoken)
    if any(word in _REFUSED for word in _WORDS.findall(own_words)):
        return None
    if not _REFUSED_PARTS.isdisjoint(_PARTS.findall(own_words)):
        return None
    return fold("".join(parts))


def _is_production(entity: Entity) -> bool:
    value = entity.value.lower()
    is_named = ENVIRONMENT_WORDS.get(value) == "production" or not _PRODUCTION.isdisjoint(_PARTS.findall(value))
    return entity.type is EntityType.ENVIRONMENT and is_named


def _slot(entity: Entity, names: NameIndex) -> str | None:
    """What stands for this entity, or None where its own spelling must stay in the key."""
    kind, value = entity.type, entity.value.lower()
    if kind in _INVENTORY_TYPES:
        if not _TELLING.isdisjoint(_PARTS.findall(value)):
            return None
        known = names.lookup(value)
        if known is not None:
            return None if value in STOP_WORDS else _classed(kind, known)
        return "{host:unknown}" if kind is EntityType.HOST and HOST_SHAPE.fullmatch(value) else None
    if kind is EntityType.ENVIRONMENT:
        environment = ENVIRONMENT_WORDS.get(value) or (value if value in names.environments else None)
        return None if environment is None else f"{{environment:{environment}}}"
    if kind is EntityType.TIME_RANGE:
        return _slot_of_time(value)
    if kind is EntityType.COUNT:
        return "{count}" if value.isdigit() and int(value) > 0 else None
    return _PLAIN_SLOTS.get(kind)


_PLAIN_SLOTS = {
    EntityType.PATH: "{path}",
    EntityType.IP: "{ip}",
    EntityType.PORT: "{port}",
    EntityType.VERSION: "{version}",
    EntityType.SITE: "{site}",
}


def _classed(kind: EntityType, known: NameClass) -> str:
    """One asset or several is part of the class: `restart postgres` on forty hosts is another request."""
    may_be_production = known.environment in _GUARDED_ENVIRONMENTS or known.criticality == "critical"
    several = ":several" if known.count > 1 else ""
    return f"{{{kind.value}:{'production' if may_be_production else 'other'}{several}}}"


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
