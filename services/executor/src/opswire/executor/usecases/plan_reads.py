"""The plans of the read intents that look at single assets: inventory, state, numbers, logs, files, help."""

from __future__ import annotations

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType
from opswire.executor.errors import IncompleteRequestError, NoAutomaticPlanError
from opswire.executor.rules.cells import listed
from opswire.executor.rules.names import is_unit
from opswire.executor.rules.paths import check_path
from opswire.executor.rules.targets import (
    HTTP_PROTOCOLS,
    host_of,
    hosts_of,
    is_host,
    port_of,
    protocol_of,
    without_places,
)
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.words import (
    asked_metrics,
    entity_values,
    filter_words,
    first_value,
    line_count,
)

MANAGERS = frozenset({"supervisor", "systemd"})
MANAGER_UNKNOWN = "auto"

_INVENTORY_TOOLS = {
    IntentName.ASSET_LIST: "inventory.list",
    IntentName.ASSET_COUNT: "inventory.count",
    IntentName.ASSET_GET: "inventory.get",
}


def plan_inventory(context: ContextResolved) -> list[StepDraft]:
    """List, count or show the selected assets. Raises IncompleteRequestError when one is to be shown and none named."""
    if context.intent.name is IntentName.ASSET_GET and not context.assets:
        raise IncompleteRequestError("Which asset? Add the name or the address of one that the inventory holds.")
    return [StepDraft(_INVENTORY_TOOLS[context.intent.name])]


def plan_help(context: ContextResolved) -> list[StepDraft]:
    """What can be asked; needs nothing of the context."""
    del context
    return [StepDraft("system.help")]


def plan_status(context: ContextResolved) -> list[StepDraft]:
    """Hosts by ssh, services by their unit on the host and by a probe of their port."""
    assets = without_places(context.assets)
    if not assets:
        raise IncompleteRequestError("The state of what? Add the name of a host or a service that the inventory holds.")
    units = _units_not_in_inventory(context, assets)
    drafts: list[StepDraft] = []
    for asset in assets:
        if is_host(asset) and units:
            manager = manager_of(asset)
            drafts += [StepDraft("ssh.unit_status", asset, {"unit": unit, "manager": manager}) for unit in units]
        elif is_host(asset):
            drafts.append(StepDraft("ssh.host_status", asset, {"manager": manager_of(asset)}))
        else:
            drafts += _service_checks(asset, context)
    if not drafts:
        raise NoAutomaticPlanError(
            f"The inventory knows no way to look at {listed([asset.name for asset in assets])}: "
            "neither a host with a unit nor a port."
        )
    return drafts


def _units_not_in_inventory(context: ContextResolved, assets: list[Asset]) -> list[str]:
    """Services that the request names and the inventory does not, to be asked of the named hosts by their unit."""
    names = [name.casefold() for asset in context.assets for name in (asset.name, *asset.aliases)]
    # "jenkins" may be the short form of the host jenkins.example.com.
    known = {*names, *(name.partition(".")[0] for name in names)}
    named = [value for value in entity_values(context, EntityType.SERVICE) if value.casefold() not in known]
    if not any(is_host(asset) for asset in assets):
        return []
    for value in named:
        if not is_unit(value):
            raise IncompleteRequestError(f"{value[:80]!r} is not the name of a service; add the name of its unit.")
    return named


def _service_checks(asset: Asset, context: ContextResolved) -> list[StepDraft]:
    drafts: list[StepDraft] = []
    unit = asset.attributes.get("unit", "")
    if host_of(asset, context) is not None and is_unit(unit):
        drafts.append(StepDraft("ssh.unit_status", asset, {"unit": unit, "manager": manager_of(asset)}))
    drafts += probe_of(asset)
    return drafts


def probe_of(asset: Asset) -> list[StepDraft]:
    """The probe that fits the asset's port and protocol; none where it has no port or no address."""
    port = port_of(asset)
    if port is None or not asset.address:
        return []
    protocol = protocol_of(asset)
    if protocol in HTTP_PROTOCOLS:
        path = asset.attributes.get("health_path") or "/"
        return [StepDraft("http.check", asset, {"port": port, "path": path, "scheme": protocol})]
    if protocol == "tls":
        return [StepDraft("tls.inspect", asset, {"port": port})]
    return [StepDraft("tcp.connect", asset, {"port": port})]


def manager_of(asset: Asset) -> str:
    """What manages the units of it, as the inventory says; `auto` where it says nothing known."""
    manager = asset.attributes.get("manager", "")
    return manager if manager in MANAGERS else MANAGER_UNKNOWN


def plan_metrics(context: ContextResolved) -> list[StepDraft]:
    """Load, memory and disk of each host now, or those of the three that are named."""
    metrics = asked_metrics(context)
    if metrics is None:
        named = listed(entity_values(context, EntityType.METRIC))
        raise NoAutomaticPlanError(f"{named} is not measured here; load, memory, disk and uptime of a host are.")
    hosts = hosts_of(context)
    if not hosts:
        raise IncompleteRequestError("The numbers of which host? Add the name of a host, or of a service on one.")
    return [StepDraft("ssh.host_load", host, {"metrics": ",".join(metrics)}) for host in hosts]


def plan_logs(context: ContextResolved) -> list[StepDraft]:
    """The last lines of each service's log, or of a named path on the named hosts. Raises PathRefusedError."""
    arguments: dict[str, str | int | bool] = {"lines": line_count(context)}
    words = filter_words(context)
    if words:
        arguments["contains"] = "\n".join(words)
    asked = first_value(context, EntityType.PATH)
    if asked is not None:
        path = check_path(asked)
        drafts = [StepDraft("ssh.log_tail", host, {"path": path, **arguments}) for host in hosts_of(context)]
    else:
        drafts = [
            StepDraft("ssh.log_tail", asset, {"path": check_path(asset.attributes["log_path"]), **arguments})
            for asset in without_places(context.assets)
            if asset.attributes.get("log_path") and host_of(asset, context) is not None
        ]
    if drafts:
        return drafts
    if not context.assets:
        raise IncompleteRequestError("The log of what? Add a service, or a host and the absolute path of a log.")
    names = listed([asset.name for asset in context.assets])
    raise IncompleteRequestError(
        f"The inventory knows no log of {names}; add a service that has one, or a host and the absolute path of a log."
    )


def plan_file(context: ContextResolved) -> list[StepDraft]:
    """The named file or directory on each host. Raises PathRefusedError for a path that is not read."""
    asked = first_value(context, EntityType.PATH)
    if asked is None:
        raise IncompleteRequestError("Which file? Add its absolute path, for example /etc/hostname.")
    path = check_path(asked)
    hosts = hosts_of(context)
    if not hosts:
        raise IncompleteRequestError(f"On which host is {path}? Add the name of a host that the inventory holds.")
    return [StepDraft("ssh.file_read", host, {"path": path}) for host in hosts]
