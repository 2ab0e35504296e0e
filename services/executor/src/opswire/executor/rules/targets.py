"""Which assets a plan acts on, and by which way each can be looked at."""

from __future__ import annotations

from collections.abc import Iterable

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset

HOST_TYPES = frozenset({"host", "server", "vm", "virtual_machine", "node", "machine", "instance"})
HTTP_PROTOCOLS = frozenset({"http", "https"})
SSH_PORT_DEFAULT = 22


def known_assets(context: ContextResolved) -> list[Asset]:
    """Every asset of the context: the selected ones and the hosts they live on."""
    selected = {asset.id for asset in context.assets}
    return [*context.assets, *(host for host in context.hosts if host.id not in selected)]


def asset_by_id(context: ContextResolved, asset_id: str | None) -> Asset | None:
    """The asset of that id, or None."""
    return next((asset for asset in known_assets(context) if asset.id == asset_id), None)


def host_of(asset: Asset, context: ContextResolved) -> Asset | None:
    """The host to log in to for this asset: itself, or its parent where the context holds it."""
    if is_host(asset):
        return asset
    if asset.parent is None:
        return None
    parent = asset.parent.casefold()
    for host in known_assets(context):
        if host.name.casefold() == parent and is_host(host):
            return host
    # A service in a container on a host: the context holds the host at the end of the chain, not the links between.
    alone = len(context.assets) == 1 and len(context.hosts) == 1
    return context.hosts[0] if alone and is_host(context.hosts[0]) else None


def is_host(asset: Asset) -> bool:
    """Whether one logs in to it: by type, or because the inventory holds a key or user for it."""
    return asset.type in HOST_TYPES or "ssh_host_key" in asset.attributes or "ssh_user" in asset.attributes


def port_of(asset: Asset) -> int | None:
    """The port that the inventory gives a service, or None where it gives none that is a port."""
    text = asset.attributes.get("port", "")
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535 else None


def ssh_port_of(asset: Asset) -> int:
    """The port of its SSH server; 22 where the inventory says nothing usable."""
    text = asset.attributes.get("ssh_port", "")
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535 else SSH_PORT_DEFAULT


def protocol_of(asset: Asset) -> str:
    """`http`, `https`, `tls`, `valkey` or `tcp`; `tcp` for what we have no probe of our own for."""
    protocol = asset.attributes.get("protocol", "tcp").casefold()
    return protocol if protocol in {"http", "https", "tls", "valkey"} else "tcp"


def without_places(assets: Iterable[Asset]) -> list[Asset]:
    """The assets without hosts that only say where another selected asset lives ("checkout on web-01")."""
    selected = list(assets)
    parents = {asset.parent.casefold() for asset in selected if asset.parent and not is_host(asset)}
    return [asset for asset in selected if not (is_host(asset) and asset.name.casefold() in parents)]


def hosts_of(context: ContextResolved) -> list[Asset]:
    """The hosts of the selected assets, each once, in their order; assets without a host are left out."""
    found: dict[str, Asset] = {}
    for asset in without_places(context.assets):
        host = host_of(asset, context)
        if host is not None:
            found.setdefault(host.id, host)
    return list(found.values())
