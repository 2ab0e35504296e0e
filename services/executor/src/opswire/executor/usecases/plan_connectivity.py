"""The plan of diagnose.connectivity: names, ports and certificates, from here and from a named source host."""

from __future__ import annotations

import re

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.types import EntityType
from opswire.executor.errors import IncompleteRequestError
from opswire.executor.rules.cells import listed
from opswire.executor.rules.names import is_hostname
from opswire.executor.rules.targets import host_of, is_host, port_of, protocol_of, ssh_port_of, without_places
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.words import (
    asked_port,
    asks_for_certificate,
    asks_for_names,
    entity_values,
    source_asset,
)

TLS_PORTS = frozenset({443, 465, 636, 853, 993, 995, 6443, 8443})
_FILE_ENDINGS = re.compile(r"\.(conf|log|txt|yaml|yml|json|pem|crt|service)$", re.IGNORECASE)


def plan_connectivity(context: ContextResolved) -> list[StepDraft]:
    """Connections to assets of the inventory, and names asked of the name server. Raises IncompleteRequestError."""
    source = source_asset(context)
    others = [asset for asset in context.assets if source is None or asset.id != source.id]
    targets = without_places(others)
    names = _names_to_resolve(context, targets)
    if asks_for_names(context) and names:
        drafts = [_resolve(name, targets) for name in names]
        return drafts + ([] if asked_port(context) is None else _connections(context, source, targets))
    drafts = [_resolve(asset.address, targets) for asset in targets if asset.address and is_hostname(asset.address)]
    drafts += _connections(context, source, targets)
    if drafts:
        return drafts
    if targets:
        raise IncompleteRequestError(
            f"The inventory knows no address of {listed([asset.name for asset in targets])}; "
            "name an asset that has one."
        )
    unknown = entity_values(context, EntityType.HOST, EntityType.IP, EntityType.SERVICE)
    if unknown:
        raise IncompleteRequestError(
            f"{listed(unknown)} is not in the inventory, and only what is in it is contacted; name one of its assets."
        )
    raise IncompleteRequestError("A connection to what? Add a host or a service of the inventory, and a port.")


def _names_to_resolve(context: ContextResolved, targets: list[Asset]) -> list[str]:
    named = [value for value in entity_values(context, EntityType.HOST) if is_hostname(value)]
    if not named:
        named = [asset.name for asset in targets if is_hostname(asset.name)]
    if not named:
        # The entity extractor knows inventory names best; a domain that is in no inventory is still a fair question.
        words = [word.strip("?!.,;:()'\"`") for word in context.text.split()]
        named = [word for word in words if "." in word and is_hostname(word) and not _FILE_ENDINGS.search(word)]
    return list(dict.fromkeys(named))


def _resolve(name: str, targets: list[Asset]) -> StepDraft:
    known = next((asset for asset in targets if name in (asset.name, asset.address, *asset.aliases)), None)
    return StepDraft("dns.resolve", known, {"name": name})


def _connections(context: ContextResolved, source: Asset | None, targets: list[Asset]) -> list[StepDraft]:
    asked = asked_port(context)
    from_host = host_of(source, context) if source is not None else None
    drafts: list[StepDraft] = []
    for target in targets:
        if not target.address:
            continue
        port = asked or port_of(target) or _port_to_reach(target, context)
        if port is None:
            continue
        if from_host is not None:
            drafts.append(StepDraft("ssh.port_check", from_host, {"target_asset_id": target.id, "port": port}))
        drafts.append(StepDraft("tcp.connect", target, {"port": port}))
        if _wants_tls(context, target, port):
            drafts.append(StepDraft("tls.inspect", target, {"port": port}))
    return drafts


def _port_to_reach(target: Asset, context: ContextResolved) -> int | None:
    """Without any port a host is looked for where it is managed, or where a certificate would be."""
    if asks_for_certificate(context):
        return 443
    return ssh_port_of(target) if is_host(target) else None


def _wants_tls(context: ContextResolved, target: Asset, port: int) -> bool:
    if asks_for_certificate(context):
        return True
    own = port_of(target)
    if own == port:
        return protocol_of(target) in {"tls", "https"}
    return own is None and port in TLS_PORTS
