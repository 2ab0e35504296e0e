"""Names in a request to assets: see the rules at the top of resolve.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opswire.assets.errors import AmbiguousAssetError, AssetMismatchError, UnknownAssetError
from opswire.assets.records import AssetFilter
from opswire.assets.usecases.reading import InventoryReader
from opswire.assets.vocabulary import environment, fold, words
from opswire.contracts.findings import Asset, Candidate, Entity, IntentFinding
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import CANDIDATES_MAX, EntityType

NEAR_MAX = 5
# Nothing is contacted for these: a name that the inventory does not have is left out instead of asked about.
LENIENT_INTENTS = frozenset({IntentName.ALERTS_LIST, IntentName.ONCALL_LOOKUP, IntentName.INCIDENT_DECLARE})

_DNS_NAME = re.compile(r"^(?=.{4,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\.?$")
_CARRIED_KINDS = frozenset({EntityType.SERVICE, EntityType.DATABASE, EntityType.APPLICATION})
_NEVER_CARRY = frozenset({"service", "database", "application"})
_WITH_PORT = re.compile(r"^(?P<name>[^:\s]+):\d{1,5}$")


@dataclass(slots=True)
class Mention:
    """A name in the text and the assets it may stand for."""

    entity: Entity
    matches: list[Asset]

    @property
    def is_carried(self) -> bool:
        """Whether it names something that lives on a host."""
        return any(_is_carried(asset) for asset in self.matches)

    @property
    def says_its_host(self) -> bool:
        """Whether the text spelled the full name of the form `service@host`, which needs no host beside it."""
        return "@" in self.entity.value and len(self.matches) == 1


async def resolve_named(intent: IntentFinding, names: Sequence[Entity], reader: InventoryReader) -> list[Asset]:
    """The assets that these entities name, each once, in their order. Raises an AssetClarificationError."""
    mentions = [Mention(entity, await _bearers(entity, reader)) for entity in names]
    for mention in mentions:
        await _require_known(mention, mentions, intent, reader)
    mentions = [mention for mention in mentions if mention.matches]
    _settle_addresses(mentions)
    narrow = _Narrowing.of(intent)
    if intent.name is IntentName.DIAGNOSE_CONNECTIVITY:
        chosen = _endpoints(mentions, narrow)
    else:
        chosen = _targets(mentions, narrow)
    assets = list({asset.id: asset for asset in chosen}.values())
    narrow.check(assets)
    return assets


def candidates_of(assets: Iterable[Asset]) -> list[Candidate]:
    """Assets as choices for the sender."""
    return [Candidate(kind="asset", value=asset.name, label=_label(asset)) for asset in assets]


async def _bearers(entity: Entity, reader: InventoryReader) -> list[Asset]:
    value = entity.value.strip()
    if entity.type is EntityType.IP:
        return await reader.by_address(value)
    found = await reader.by_name(value)
    if not found and entity.type is EntityType.HOST:
        at_address = await reader.by_address(value)
        if at_address:
            return at_address
        spelled = _WITH_PORT.match(value)
        found = await reader.by_name(spelled["name"]) if spelled else []
    exact = [match.asset for match in found if match.kind == "name"]
    return exact or [match.asset for match in found]


async def _require_known(
    mention: Mention, mentions: Sequence[Mention], intent: IntentFinding, reader: InventoryReader
) -> None:
    """Raises UnknownAssetError for a mention without bearers, unless it may be left out."""
    if mention.matches or intent.name in LENIENT_INTENTS:
        return
    value, kind = mention.entity.value.strip(), mention.entity.type
    connectivity = intent.name is IntentName.DIAGNOSE_CONNECTIVITY
    if connectivity and kind is not EntityType.IP and _DNS_NAME.match(fold(value)):
        return  # only looked up, never contacted
    if not connectivity and kind is EntityType.IP and any(other.matches for other in mentions):
        return  # an argument (what to search or to block), since the target is named beside it
    host = next((other.matches[0] for other in mentions if len(other.matches) == 1 and not other.is_carried), None)
    if kind in _CARRIED_KINDS and host is not None:
        there, _ = await reader.search(AssetFilter(parents=(host.name,), limit=CANDIDATES_MAX))
        raise UnknownAssetError(f"the inventory has no {kind.value} {value} on {host.name}", candidates_of(there))
    near = await reader.near(value, NEAR_MAX) if kind is not EntityType.IP else []
    raise UnknownAssetError(f"the inventory has no {kind.value} {value}", near)


def _settle_addresses(mentions: Sequence[Mention]) -> None:
    """An address stands for the asset named beside it, else for the host there, not for what the host carries."""
    named = {asset.id for mention in mentions if mention.entity.type is not EntityType.IP for asset in mention.matches}
    for mention in mentions:
        if mention.entity.type is EntityType.IP and len(mention.matches) > 1:
            beside = [asset for asset in mention.matches if asset.id in named and not _is_carried(asset)]
            hosts = [asset for asset in mention.matches if not _is_carried(asset)]
            mention.matches = beside or hosts or mention.matches


def _targets(mentions: Sequence[Mention], narrow: _Narrowing) -> list[Asset]:
    """Services on the hosts named with them; hosts themselves only where no service is named."""
    hosts = {id(mention): narrow.one(mention) for mention in mentions if not mention.is_carried}
    named_hosts = list({asset.id: asset for asset in hosts.values() if asset.type not in _NEVER_CARRY}.values())
    chosen: list[Asset] = []
    covered: set[str] = set()
    paired = False
    for mention in mentions:
        if not mention.is_carried:
            chosen.append(hosts[id(mention)])
        elif mention.says_its_host or not named_hosts:
            asset = narrow.one(mention)
            covered.add(fold(asset.parent or ""))
            chosen.append(asset)
        else:
            paired = True
            on_hosts = _on_hosts(mention, named_hosts)
            covered.update(fold(asset.parent or "") for asset in on_hosts)
            chosen.extend(on_hosts)
    left = [host for host in named_hosts if fold(host.name) not in covered]
    if paired and left:
        what = ", ".join(mention.entity.value for mention in mentions if mention.is_carried)
        others = [asset for mention in mentions if mention.is_carried for asset in mention.matches]
        raise AssetMismatchError(f"{left[0].name} has no {what}", candidates_of(others))
    return [asset for asset in chosen if fold(asset.name) not in covered]


def _on_hosts(mention: Mention, hosts: Sequence[Asset]) -> list[Asset]:
    chosen: list[Asset] = []
    for host in hosts:
        here = [asset for asset in mention.matches if asset.parent and fold(asset.parent) == fold(host.name)]
        if len(here) > 1:
            raise _ambiguous(mention.entity.value, here)
        chosen.extend(here)
    if not chosen:
        where = " or ".join(host.name for host in hosts)
        raise AssetMismatchError(f"{mention.entity.value} is not on {where}", candidates_of(mention.matches))
    return chosen


def _endpoints(mentions: Sequence[Mention], narrow: _Narrowing) -> list[Asset]:
    """Both ends in the order of the text; `checkout on web-01` is one: the host directly follows its service."""
    chosen: list[Asset] = []
    skip = False
    for position, mention in enumerate(mentions, 1):
        if skip:
            skip = False
            continue
        after = mentions[position] if position < len(mentions) else None
        if mention.is_carried and after is not None and not after.is_carried and not mention.says_its_host:
            host = narrow.one(after)
            here = [asset for asset in mention.matches if asset.parent and fold(asset.parent) == fold(host.name)]
            if len(here) == 1:
                chosen.append(here[0])
                skip = True
                continue
        chosen.append(narrow.one(mention))
    return chosen


@dataclass(frozen=True, slots=True)
class _Narrowing:
    """The words that tell bearers of one name apart."""

    environments: frozenset[str]
    sites: tuple[str, ...]
    systems: tuple[str, ...]

    @classmethod
    def of(cls, intent: IntentFinding) -> _Narrowing:
        def values(kind: EntityType) -> tuple[str, ...]:
            return tuple(entity.value for entity in intent.entities if entity.type is kind)

        environments = frozenset(map(environment, values(EntityType.ENVIRONMENT)))
        return cls(environments, values(EntityType.SITE), values(EntityType.OS))

    def one(self, mention: Mention) -> Asset:
        """The one bearer that the words allow. Raises AmbiguousAssetError or AssetMismatchError."""
        if len(mention.matches) == 1:
            return mention.matches[0]
        allowed = [asset for asset in mention.matches if self._allows(asset)]
        if len(allowed) == 1:
            return allowed[0]
        if not allowed:
            raise AssetMismatchError(
                f"{mention.entity.value} is not in {self._spoken()}", candidates_of(mention.matches)
            )
        raise _ambiguous(mention.entity.value, allowed)

    def check(self, assets: Sequence[Asset]) -> None:
        """Raises AssetMismatchError when the environment in the text is not that of anything named in it."""
        if self.environments and assets and not any(asset.environment in self.environments for asset in assets):
            first = assets[0]
            raise AssetMismatchError(
                f"{first.name} is in {first.environment}, not in {' or '.join(sorted(self.environments))}",
                candidates_of(assets),
            )

    def _allows(self, asset: Asset) -> bool:
        return (
            (not self.environments or asset.environment in self.environments)
            and (not self.sites or any(_has_words(asset.site, site) for site in self.sites))
            and (not self.systems or any(_has_words(asset.os, system) for system in self.systems))
        )

    def _spoken(self) -> str:
        return " or ".join((*sorted(self.environments), *self.sites, *self.systems))


def _has_words(value: str | None, wanted: str) -> bool:
    return set(words(wanted).split()) <= set(words(value or "").split())


def _is_carried(asset: Asset) -> bool:
    return asset.parent is not None and asset.type != "host"


def _ambiguous(name: str, assets: Sequence[Asset]) -> AmbiguousAssetError:
    return AmbiguousAssetError(f"{name} can be {len(assets)} assets; which one is meant?", candidates_of(assets))


def _label(asset: Asset) -> str:
    on = f" on {asset.parent}" if asset.parent else ""
    return f"{asset.type} in {asset.environment}{on}"[:1_000]
