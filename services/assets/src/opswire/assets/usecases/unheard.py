"""Words that narrow a list and that nobody made an entity of: they count too, or the list is a wrong answer.

Found are the word after a preposition ("in moon", "owned by team-shop") and the words right before what is listed
("critical hosts"). Nothing else of a sentence is looked at: a polite word must not become a filter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opswire.contracts.findings import Entity
from opswire.contracts.types import EntityType

_TOKEN = re.compile(r"[\w@][\w.@/-]*", re.UNICODE)
_PREPOSITIONS = frozenset("in on at of from by within inside under to with".split())  # noqa: SIM905
_TO_FOLLOWS = frozenset("belong belongs belonging assigned allocated".split())  # noqa: SIM905
_NO_FILTER_BEFORE = frozenset("sorted ordered order sort grouped group because out kind kinds list".split())  # noqa: SIM905
_SKIPPED = frozenset(  # between a preposition and its word, or before what is listed
    "the our my your their its this that these those a an all any each every other of some both "  # noqa: SIM905
    "group groups team tag tags site region zone environment env cluster rack owner dc datacenter data center".split()
)
_SAYS_NOTHING = frozenset(
    "list lists show give get find display print enumerate count tell fetch pull me us them it now here there how many "  # noqa: SIM905
    "much number total which what whats who where when is are was do does did have has had be can could please just "
    "only also more most available current currently existing known registered different distinct unique whole full "
    "inventory cmdb name names type types ip ips address addresses status detail details information info overview "
    "table json csv use usage service stock and or not no yes i we you he she they need want like know see "
    "check".split()
)


def unheard_words(text: str, entities: Sequence[Entity]) -> list[str]:
    """The narrowing words of `text` that stand in no entity, in their order, each once, in lower case."""
    tokens = [token.rstrip(".-/") for token in _TOKEN.findall(text.lower())]
    heard = {token for entity in entities for token in _TOKEN.findall(entity.value.lower())}
    places = [*_after_prepositions(tokens), *_before_what_is_listed(tokens, entities)]
    words = (tokens[place] for place in sorted(places))
    return list(dict.fromkeys(word for word in words if word and word not in heard and word not in _SAYS_NOTHING))


def _after_prepositions(tokens: Sequence[str]) -> list[int]:
    places: list[int] = []
    for place, word in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        if word not in _PREPOSITIONS or before in _NO_FILTER_BEFORE or (word == "to" and before not in _TO_FOLLOWS):
            continue
        after = place + 1
        while after < len(tokens) and tokens[after] in _SKIPPED:
            after += 1
        if after < len(tokens):
            places.append(after)
    return places


def _before_what_is_listed(tokens: Sequence[str], entities: Sequence[Entity]) -> list[int]:
    places: list[int] = []
    for entity in entities:
        listed = _TOKEN.findall(entity.value.lower())
        if entity.type is not EntityType.ASSET_TYPE or not listed or listed[0] not in tokens:
            continue
        before = tokens.index(listed[0]) - 1
        if before >= 0 and tokens[before] not in _SKIPPED | _PREPOSITIONS:
            places.append(before)
    return places
