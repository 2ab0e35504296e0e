"""Intent to assets. Names are exact or they are asked about; nothing is ever picked by likeness.

The rules, in order:

1. Intents that touch no asset select nothing.
2. Every named host, service, application, database and address must lead to an asset: by its name, else by an alias or
   the short form of a domain name. A primary name beats aliases: it is unique, and a candidate must stay choosable.
3. A service named together with hosts is the service on those hosts, and the hosts themselves are then not targets.
   Connectivity is the exception: its hosts are endpoints, unless they directly follow the service they carry.
4. Environment, site and system narrow a name that has several bearers. They never widen, and when they exclude
   everything that was named, that is said.
5. Without names, read intents are filtered by the remaining words, and lists without any word mean everything. A
   write without names is filtered only by words; without words it selects nothing.
6. A diagnosis also sees what its assets need (related.py), beside their hosts and never among the targets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from opswire.assets.usecases.filtering import filtered, wanted_of
from opswire.assets.usecases.living import hosts_of
from opswire.assets.usecases.naming import resolve_named
from opswire.assets.usecases.reading import InventoryReader
from opswire.assets.usecases.related import RELATED_INTENTS, with_related
from opswire.contracts.findings import Asset, IntentFinding
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import ASSETS_MAX, EntityType

NO_ASSET_INTENTS = frozenset(
    {
        IntentName.SYSTEM_HELP,
        IntentName.OUT_OF_SCOPE,
        IntentName.KNOWLEDGE_ANSWER,
        IntentName.NOTE_CONVERT,
        IntentName.DOCUMENT_PROCESS,
        IntentName.INCIDENT_REPORT,
        IntentName.INCIDENT_UPDATE,
    }
)
LIST_INTENTS = frozenset({IntentName.ASSET_LIST, IntentName.ASSET_COUNT})

_NAMES = frozenset({EntityType.HOST, EntityType.SERVICE, EntityType.APPLICATION, EntityType.DATABASE, EntityType.IP})


@dataclass(frozen=True, slots=True)
class Selection:
    """The assets of a request: what the message `context_resolved` says of them."""

    kind: Literal["none", "named", "filtered"]
    assets: list[Asset] = field(default_factory=list)
    hosts: list[Asset] = field(default_factory=list)
    total: int = 0


NOTHING = Selection("none")


async def resolve(intent: IntentFinding, reader: InventoryReader) -> Selection:
    """The assets an intent concerns. Raises an AssetClarificationError where words do not lead to exactly one reading,
    and whatever the reader raises when it cannot read.
    """
    if intent.name in NO_ASSET_INTENTS:
        return NOTHING
    names = [entity for entity in intent.entities if entity.type in _NAMES]
    if names and intent.name not in LIST_INTENTS:
        assets = await resolve_named(intent, names, reader)
        if not assets:
            return NOTHING
        total, assets = len(assets), assets[:ASSETS_MAX]
        return Selection("named", assets, await _beside(intent, assets, reader), total)
    wanted = await wanted_of(intent, reader)
    if wanted is None:
        return NOTHING
    assets, total = await filtered(wanted, reader, count_only=intent.name is IntentName.ASSET_COUNT)
    hosts = [] if intent.name in LIST_INTENTS else await _beside(intent, assets, reader)
    return Selection("filtered", assets, hosts, total)


async def _beside(intent: IntentFinding, assets: list[Asset], reader: InventoryReader) -> list[Asset]:
    """What a context holds beside its assets: their hosts and, for a diagnosis, what they need."""
    hosts = await hosts_of(assets, reader)
    return await with_related(assets, hosts, reader) if intent.name in RELATED_INTENTS else hosts
