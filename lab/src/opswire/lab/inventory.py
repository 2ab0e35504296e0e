"""Writes the inventory of the lab and of the estate around it, in Opswire's own YAML form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opswire.lab.layout import HOSTS, LOOPBACK, SSH, SSH_USER, GroupSpec, HostSpec, ServiceSpec
from opswire.lab.ports import Ports

# Text that YAML reads as that very text without quotes. Everything else is written as a JSON string, which YAML reads.
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9@_./-]*")
NOT_TEXT = {"yes", "no", "true", "false", "on", "off", "null", "y", "n"}
LAB_SITE = "lab"
LAB_SYSTEM = "opswire-lab"
CREDENTIAL = "file:lab/id_ed25519"


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset as the inventory file has it."""

    name: str
    type: str
    environment: str
    criticality: str
    address: str = ""
    owner: str = ""
    site: str = ""
    os: str = ""
    parent: str = ""
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


def lab_assets(ports: Ports, host_keys: Mapping[str, str]) -> list[Asset]:
    """The three hosts and their services. `host_keys` maps host names to public key lines."""
    assets: list[Asset] = []
    for host in HOSTS:
        assets.append(_host_asset(host, ports[host.name][SSH], host_keys[host.name]))
        assets += [_service_asset(host, service, ports[host.name][service.name]) for service in host.services]
        assets += [_group_asset(host, group) for group in host.workers]
    return assets


def _host_asset(host: HostSpec, ssh_port: int, host_key: str) -> Asset:
    return Asset(
        name=host.name,
        type="host",
        environment=host.environment,
        criticality=host.criticality,
        address=LOOPBACK,
        owner=host.owner,
        site=LAB_SITE,
        os=LAB_SYSTEM,
        groups=host.groups,
        tags=host.tags,
        attributes={
            "ssh_port": str(ssh_port),
            "ssh_user": SSH_USER,
            "ssh_host_key": host_key,
            "credential": CREDENTIAL,
        },
    )


def _service_asset(host: HostSpec, service: ServiceSpec, port: int) -> Asset:
    attributes = {
        "manager": "supervisor",
        "unit": service.name,
        "log_path": service.log_path,
        "port": str(port),
        "protocol": service.protocol,
    }
    if service.health_path:
        attributes["health_path"] = service.health_path
    if service.data_path:
        attributes["data_path"] = service.data_path
        attributes["backup_dir"] = "/var/backups"
    if service.releases:
        attributes["release_link"] = f"/srv/{service.name}/current"
        attributes["previous_release"] = service.releases[-2]
    return _on_host(host, service.name, service.type, attributes)


def _group_asset(host: HostSpec, group: GroupSpec) -> Asset:
    attributes = {
        "manager": "supervisor",
        "unit": group.name,
        "group": group.name,
        "replicas_max": str(group.places),
        "log_path": group.log_path,
    }
    return _on_host(host, group.name, "service", attributes)


def _on_host(host: HostSpec, name: str, kind: str, attributes: Mapping[str, str]) -> Asset:
    return Asset(
        name=f"{name}@{host.name}",
        type=kind,
        environment=host.environment,
        criticality=host.criticality,
        address=LOOPBACK,
        owner=host.owner,
        site=LAB_SITE,
        os=LAB_SYSTEM,
        parent=host.name,
        groups=host.groups,
        tags=host.tags,
        aliases=(name,),
        attributes=attributes,
    )


def write_inventory(path: Path, assets: list[Asset]) -> None:
    """Write the file in one step, so that a reader never sees half of it."""
    text = '# Written by `opswire lab up`. Assets with reachable: "no" stand for an estate around the lab.\nassets:\n'
    text += "".join(_entry(asset) for asset in assets)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text)
    scratch.replace(path)


def _entry(asset: Asset) -> str:
    lines = [f"  - name: {_scalar(asset.name)}"]
    for key in ("type", "environment", "criticality", "address", "owner", "site", "os", "parent"):
        value = getattr(asset, key)
        if value:
            lines.append(f"    {key}: {_scalar(value)}")
    for key in ("groups", "tags", "aliases"):
        values = getattr(asset, key)
        if values:
            lines.append(f"    {key}: [{', '.join(map(_scalar, values))}]")
    if asset.attributes:
        lines.append("    attributes:")
        lines += [f"      {key}: {_scalar(value)}" for key, value in asset.attributes.items()]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    return text if PLAIN.fullmatch(text) and text.lower() not in NOT_TEXT else json.dumps(text)
