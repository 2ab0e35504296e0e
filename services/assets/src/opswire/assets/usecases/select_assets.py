"""The assets of an intent, remembered until one of them, one of the names used, or a list could have changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from opswire.assets.usecases.filtering import FILTERING_TYPES, meaning_of
from opswire.assets.usecases.living import lives_elsewhere
from opswire.assets.usecases.reading import InventoryReader
from opswire.assets.usecases.related import RELATED_INTENTS, needed_names
from opswire.assets.usecases.resolve import LIST_INTENTS, NO_ASSET_INTENTS, NOTHING, Selection, resolve
from opswire.assets.usecases.unheard import unheard_words
from opswire.assets.vocabulary import fold
from opswire.contracts.caches_invalidated.tags import INVENTORY, asset_tag, name_tag
from opswire.contracts.findings import Asset, Entity, IntentFinding
from opswire.contracts.taxonomy import INTENTS
from opswire.contracts.types import EntityType

# The kinds of entity that `resolve` looks up as names.
NAMING_TYPES = frozenset(
    {EntityType.HOST, EntityType.SERVICE, EntityType.APPLICATION, EntityType.DATABASE, EntityType.IP}
)


class SelectionCache(Protocol):
    """Remembers selections; answers where one came from."""

    async def read(self, key: str, load: Callable[[], Awaitable[tuple[Selection, list[str]]]]) -> tuple[Selection, str]:
        """The selection under `key`, loaded when it is not there."""


class SelectAssets:
    """Resolves an intent's names and filters. Raises the errors of `resolve`; they are never remembered."""

    def __init__(self, reader: InventoryReader, cache: SelectionCache) -> None:
        self._reader = reader
        self._cache = cache

    async def __call__(self, intent: IntentFinding, text: str) -> Selection:
        """The selection, true of the inventory as it is now. `text` is what was asked, in the sender's words."""
        if intent.name in NO_ASSET_INTENTS:
            return NOTHING
        filters = [entity for entity in intent.entities if entity.type in FILTERING_TYPES]
        unheard = unheard_words(text, filters) if intent.name in LIST_INTENTS else []

        async def load() -> tuple[Selection, list[str]]:
            heard = [Entity(type=await meaning_of(word, self._reader), value=word) for word in unheard]
            whole = intent.model_copy(update={"entities": [*intent.entities, *heard]})
            selection = await resolve(whole, self._reader)
            return selection, tags_of(intent, selection)

        selection, _ = await self._cache.read(key_of(intent, unheard), load)
        return selection


def key_of(intent: IntentFinding, unheard: Sequence[str] = ()) -> str:
    """Everything `resolve` reads of an intent: its name, its effect, its entities in order; and the unheard words."""
    parts = [intent.name.value, INTENTS[intent.name].effect.value]
    parts += [f"{entity.type.value}={entity.value.casefold()}" for entity in intent.entities]
    parts += [f"unheard={word}" for word in unheard]
    text = json.dumps(parts)
    return text if len(text) <= 200 else hashlib.sha256(text.encode()).hexdigest()


def tags_of(intent: IntentFinding, selection: Selection) -> list[str]:
    """What the selection depends on: its assets, and the names used; a list depends on the whole inventory.

    So does what was not found by its name: by address, behind a port, or not at all; any asset may come to have it. So
    does what lives on its host only by way of something between them, whose own change would not be noticed here. What
    a diagnosis sees beside is tagged alike, and by the names of what is needed and not there yet.
    """
    found = (*selection.assets, *selection.hosts)
    needed = needed_names(selection.assets) if intent.name in RELATED_INTENTS else []
    values = [entity.value.strip() for entity in intent.entities if entity.type in NAMING_TYPES]
    answering = {fold(name) for asset in found for name in _names_of(asset)}
    # Tags compare names in lower case, the inventory folds them: beyond ASCII the two may differ.
    all_by_name = all(value.isascii() and fold(value) in answering for value in values)
    all_by_name &= all(name.isascii() for name in needed)
    names_found = {fold(asset.name) for asset in found}
    living = [*selection.assets, *(asset for asset in selection.hosts if lives_elsewhere(asset))]
    all_direct = all(fold(asset.parent) in names_found for asset in living if asset.parent)
    if selection.kind != "named" or not all_by_name or not all_direct:
        return [INVENTORY]
    names = {*values, *needed, *(asset.parent for asset in living if asset.parent)}
    names |= {name.partition(".")[0] for name in names}
    assets = {asset.id for asset in found}
    return [*(asset_tag(asset_id) for asset_id in sorted(assets)), *(name_tag(name) for name in sorted(names) if name)]


def _names_of(asset: Asset) -> set[str]:
    """The names an asset answers to: its own, its aliases, and the short forms of domain names."""
    names = {asset.name, *asset.aliases}
    return names | {name.partition(".")[0] for name in names if "@" not in name}
