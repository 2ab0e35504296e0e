"""The inventory's names in memory: what a word of a request may denote, without asking the assets service.

Fed by the `asset_changed` messages; holds names and classes only, never addresses or attributes. Several assets may
answer to one name: the class then says so instead of picking one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.contracts.types import EntityType

TOKENS_MAX = 4
"""Names of more words than this are not looked for in a text."""

DELETED_REMEMBERED_MAX = 100_000
"""Generations of deleted assets that are kept, so that a late older change does not bring one back."""

MIXED = "mixed"

_CRITICALITIES = ("low", "medium", "high", "critical")
_WORD = re.compile(r"[\w@](?:[\w.@-]*\w)?")


@dataclass(frozen=True, slots=True)
class NameClass:
    """What answers to a name: `mixed` where assets differ in type or environment; the highest criticality of them."""

    type: str
    environment: str
    criticality: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Known:
    """What the index keeps of one asset."""

    generation: int
    own: NameClass
    keys: tuple[str, ...]
    terms: tuple[tuple[str, EntityType], ...]


def name_key(name: str) -> str:
    """A name as the index compares it: lower case, its words joined by single spaces."""
    return " ".join(_WORD.findall(name.lower()))


class NameIndex:
    """Names and aliases of the inventory, and the environments, groups, tags, sites, systems and types seen in it.

    Applying a change costs microseconds and is idempotent: a change of an older generation is ignored. A lookup is
    one dictionary access whatever the size of the inventory. Not safe for use by several threads at once.
    """

    def __init__(self) -> None:
        self.version = 0
        """Grows with every change that was taken in; what was understood at one version is exact until the next."""
        self._empty()

    def clear(self) -> None:
        """Forget every name: another history of the inventory begins."""
        self.version += 1
        self._empty()

    def _empty(self) -> None:
        self._known: dict[str, _Known] = {}
        self._deleted: dict[str, int] = {}
        self._holders: dict[str, Counter[NameClass]] = {}
        self._classes: dict[str, NameClass] = {}
        self._starts: Counter[str] = Counter()
        self._terms: dict[str, Counter[EntityType]] = {}
        self._asset_types: Counter[str] = Counter()
        self._interned: dict[NameClass, NameClass] = {}

    def __len__(self) -> int:
        """How many assets are known."""
        return len(self._known)

    def apply(self, change: AssetChanged) -> None:
        """Take in a creation, an update with renames, or a deletion. Older generations than the known are ignored.

        The index remembers under which names it filed an asset, so a rename needs no help from `previous_names`.
        """
        known = self._known.get(change.asset_id)
        seen = known.generation if known is not None else self._deleted.get(change.asset_id, 0)
        if change.generation < seen or (known is None and change.generation <= seen):
            return
        self.version += 1
        if known is not None:
            self._forget(change.asset_id, known)
        if change.asset is None:
            self._remember_deleted(change.asset_id, change.generation)
            return
        self._deleted.pop(change.asset_id, None)
        self._learn(change.asset_id, change.asset, change.generation)

    def lookup(self, token: str) -> NameClass | None:
        """The class of what answers to this name or alias, in any case; None where nothing does."""
        found = self._classes.get(token)
        if found is not None:
            return found
        return self._classes.get(name_key(token))

    def lookup_key(self, key: str) -> NameClass | None:
        """As `lookup`, for a token that is a key already: lower case, single spaces."""
        return self._classes.get(key)

    def starts_longer(self, word: str) -> bool:
        """Whether some name or term of several words begins with this lower-case word."""
        return self._starts[word] > 0

    def term(self, key: str) -> EntityType | None:
        """Environment, site, os, or tag (groups are tags too), where the inventory uses this word as one."""
        kinds = self._terms.get(key)
        if not kinds:
            return None
        return min(kinds, key=_TERM_ORDER.index)

    @property
    def environments(self) -> frozenset[str]:
        """Every environment an asset is in, lower case."""
        return self._of(EntityType.ENVIRONMENT)

    @property
    def tags(self) -> frozenset[str]:
        """Every tag and every group, lower case."""
        return self._of(EntityType.TAG)

    @property
    def sites(self) -> frozenset[str]:
        """Every site, lower case."""
        return self._of(EntityType.SITE)

    @property
    def oses(self) -> frozenset[str]:
        """Every operating system, lower case."""
        return self._of(EntityType.OS)

    @property
    def asset_types(self) -> frozenset[str]:
        """Every asset type, lower case."""
        return frozenset(self._asset_types)

    def _of(self, kind: EntityType) -> frozenset[str]:
        return frozenset(key for key, kinds in self._terms.items() if kind in kinds)

    def _learn(self, asset_id: str, asset: Asset, generation: int) -> None:
        own = self._intern(NameClass(asset.type.lower(), asset.environment.lower(), asset.criticality))
        keys = tuple(dict.fromkeys(key for key in map(name_key, (asset.name, *asset.aliases)) if _findable(key)))
        terms = tuple(dict.fromkeys(_terms_of(asset)))
        self._known[asset_id] = _Known(generation, own, keys, terms)
        for key in keys:
            self._holders.setdefault(key, Counter())[own] += 1
            self._starts.update(_start_of(key))
            self._merge(key)
        for key, kind in terms:
            self._terms.setdefault(key, Counter())[kind] += 1
            self._starts.update(_start_of(key))
        self._asset_types[own.type] += 1

    def _forget(self, asset_id: str, known: _Known) -> None:
        del self._known[asset_id]
        for key in known.keys:
            _decrease(self._holders[key], known.own)
            self._starts.subtract(_start_of(key))
            self._merge(key)
        for key, kind in known.terms:
            _decrease(self._terms[key], kind)
            if not self._terms[key]:
                del self._terms[key]
            self._starts.subtract(_start_of(key))
        _decrease(self._asset_types, known.own.type)

    def _merge(self, key: str) -> None:
        """Compute a name's class anew from those that hold it."""
        holders = self._holders[key]
        if not holders:
            del self._holders[key]
            self._classes.pop(key, None)
            return
        types = {each.type for each in holders}
        environments = {each.environment for each in holders}
        self._classes[key] = self._intern(
            NameClass(
                type=types.pop() if len(types) == 1 else MIXED,
                environment=environments.pop() if len(environments) == 1 else MIXED,
                criticality=max((each.criticality for each in holders), key=_CRITICALITIES.index),
                count=holders.total(),
            )
        )

    def _intern(self, name_class: NameClass) -> NameClass:
        """One object per distinct class: 100,000 assets share a few dozen."""
        return self._interned.setdefault(name_class, name_class)

    def _remember_deleted(self, asset_id: str, generation: int) -> None:
        self._deleted[asset_id] = generation
        if len(self._deleted) > DELETED_REMEMBERED_MAX:
            self._deleted.pop(next(iter(self._deleted)))


_TERM_ORDER = (EntityType.ENVIRONMENT, EntityType.SITE, EntityType.OS, EntityType.TAG)


def _terms_of(asset: Asset) -> Iterator[tuple[str, EntityType]]:
    if asset.environment != "unknown":
        yield name_key(asset.environment), EntityType.ENVIRONMENT
    if asset.site:
        yield name_key(asset.site), EntityType.SITE
    if asset.os:
        yield name_key(asset.os), EntityType.OS
    for tag in (*asset.groups, *asset.tags):
        yield name_key(tag), EntityType.TAG


def _findable(key: str) -> bool:
    return bool(key) and key.count(" ") < TOKENS_MAX


def _start_of(key: str) -> tuple[str, ...]:
    """The first word of a key of several words, as a tuple of none or one."""
    first, space, _ = key.partition(" ")
    return (first,) if space else ()


_Counted = TypeVar("_Counted")


def _decrease(counter: Counter[_Counted], key: _Counted) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
