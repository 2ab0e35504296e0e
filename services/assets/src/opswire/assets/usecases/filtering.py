"""Lists by environment, type, group, tag, site and system, where every word counts or is said not to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from opswire.assets.errors import UnknownFilterError
from opswire.assets.records import AssetFilter
from opswire.assets.usecases.reading import InventoryReader
from opswire.assets.vocabulary import ENVIRONMENT_WORDS, is_asset_type, words
from opswire.contracts.findings import Asset, IntentFinding
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import EntityType

_ALL_OF_IT = frozenset({IntentName.ASSET_LIST, IntentName.ASSET_COUNT})
_FIELDS: dict[EntityType, str] = {
    EntityType.ENVIRONMENT: "environments",
    EntityType.ASSET_TYPE: "types",
    EntityType.TAG: "labels",
    EntityType.NAMESPACE: "labels",
    EntityType.SITE: "sites",
    EntityType.OS: "systems",
    EntityType.USER: "owners",
    EntityType.IP: "addresses",
    EntityType.HOST: "names",
    EntityType.SERVICE: "names",
    EntityType.APPLICATION: "names",
    EntityType.DATABASE: "names",
}
FILTERING_TYPES = frozenset(_FIELDS)
"""Entities of other kinds narrow no list: a word that became one of those was not heard here."""
_SPOKEN = {
    "environments": "environment",
    "types": "type",
    "labels": "group or tag",
    "sites": "site",
    "systems": "system",
    "owners": "owner",
    "addresses": "address",
    "names": "name",
    "parents": "parent",
}
NEAR_MAX = 5


@dataclass(slots=True)
class _Words:
    values: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)

    def filter(self) -> AssetFilter:
        alternatives: Any = {name: tuple(dict.fromkeys(values)) for name, values in self.values.items()}
        return AssetFilter(**alternatives)


async def wanted_of(intent: IntentFinding, reader: InventoryReader) -> AssetFilter | None:
    """The filter that the words of the intent make, or None when they ask for no list."""
    found = _Words()
    for entity in sorted(intent.entities, key=lambda entity: entity.type is not EntityType.ASSET_TYPE):
        name = _FIELDS.get(entity.type)
        if name is None or (name == "owners" and intent.name not in _ALL_OF_IT):
            continue
        await _add_word(found, name, entity.value.strip(), reader)
    if not found.values and intent.name not in _ALL_OF_IT:
        return None
    if set(found.values) <= {"environments"} and INTENTS[intent.name].effect in {Effect.WRITE, Effect.DESTROY}:
        # "deploy to staging" names where, not what: a write on everything in an environment must be spelled out.
        return None
    return found.filter()


async def filtered(wanted: AssetFilter, reader: InventoryReader, count_only: bool = False) -> tuple[list[Asset], int]:
    """The assets that match and how many. Raises UnknownFilterError for a word that matches nothing by itself."""
    assets, total = await reader.search(replace(wanted, limit=0) if count_only else wanted)
    for name in _SPOKEN:
        values = getattr(wanted, name)
        # Alternatives hide a word that matches nothing, so each is looked at; a single word is only where all is empty.
        if total == 0 or len(values) > 1:
            await _require_meaning(name, values, reader)
    return assets, total


async def meaning_of(word: str, reader: InventoryReader) -> EntityType:
    """What a word that narrows a list is, by what the inventory has; a tag where it has nothing, which is then said."""
    for kind in (EntityType.SITE, EntityType.OS, EntityType.USER):
        if await _exists(_FIELDS[kind], word, reader):
            return kind
    return EntityType.ENVIRONMENT if word in ENVIRONMENT_WORDS else EntityType.TAG


async def _add_word(found: _Words, name: str, value: str, reader: InventoryReader) -> None:
    if name == "types":
        await _add_type(found, value, reader)
    elif name == "names":
        await _add_name(found, value, reader)
    else:
        found.add(name, value)


async def _add_type(found: _Words, value: str, reader: InventoryReader) -> None:
    """`windows boxes in prod` may come as one entity: the last word is the type, those before it narrow."""
    parts = words(value).split()
    if is_asset_type(value) or await _exists("types", value, reader):
        found.add("types", value)
    elif await _exists("labels", value, reader):
        found.add("labels", value)
    elif len(parts) > 1 and is_asset_type(parts[-1]):
        found.add("types", parts[-1])
        for part in parts[:-1]:
            found.add(await _meaning_of(part, reader), part)
    else:
        found.add("types", value)


async def _meaning_of(word: str, reader: InventoryReader) -> str:
    if word in ENVIRONMENT_WORDS:
        return "environments"
    for name in ("systems", "sites"):
        if await _exists(name, word, reader):
            return name
    return "labels"


async def _add_name(found: _Words, value: str, reader: InventoryReader) -> None:
    """A listed name may be a group (`list the webservers`), and beside a type it is what carries the things."""
    if not await _exists("names", value, reader) and await _exists("labels", value, reader):
        found.add("labels", value)
    elif found.values.get("types") and await _exists("parents", value, reader):
        found.add("parents", value)
    else:
        found.add("names", value)


async def _require_meaning(name: str, values: tuple[str, ...], reader: InventoryReader) -> None:
    for value in values:
        # None of a type that everyone knows is an answer ("how many databases": 0), not a word nobody understood.
        if (name == "types" and is_asset_type(value)) or await _exists(name, value, reader):
            continue
        near = await reader.near(value, NEAR_MAX) if name == "names" else []
        raise UnknownFilterError(f"nothing in the inventory has the {_SPOKEN[name]} {value}", near)


async def _exists(name: str, value: str, reader: InventoryReader) -> bool:
    wanted: Any = {name: (value,), "limit": 0}
    return (await reader.search(AssetFilter(**wanted)))[1] > 0
