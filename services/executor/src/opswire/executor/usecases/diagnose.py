"""The plan of diagnose.issue where no model proposes one: what the inventory says is worth looking at, and no more.

State, answer, errors of the log, what it depends on, load of its host: in this order over all the assets, so that of
many assets each gets its first look before any gets its last.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.executor.errors import PathRefusedError
from opswire.executor.rules.names import is_unit
from opswire.executor.rules.paths import check_path
from opswire.executor.rules.targets import host_of, is_host, known_assets, port_of, without_places
from opswire.executor.usecases.plan_reads import manager_of, probe_of
from opswire.executor.usecases.steps import StepDraft
from opswire.executor.usecases.words import filter_words

STEPS_MAX = 8
LINES = 20
ERROR_WORDS = ("error", "fail", "fatal", "exception", "timeout", "refused")
METRICS = "load,memory,disk"
STATUSES_MAX = 3
_HTTP_STATUS = re.compile(r"(?<![\w.:/-])[45]\d\d(?![\w.:/-])")


def plan_diagnosis(context: ContextResolved) -> list[StepDraft]:
    """At most 8 steps that only read; none where the inventory knows no way to look at anything that is named."""
    assets = without_places(context.assets)
    looks = [
        [_state(asset, context) for asset in assets],
        [probe_of(asset) for asset in assets],
        [_log(asset, context) for asset in assets],
        [_connections(asset, context) for asset in assets],
        [_load(asset, context) for asset in assets],
    ]
    found: list[StepDraft] = []
    for draft in itertools.chain.from_iterable(itertools.chain.from_iterable(looks)):
        look = replace(draft, on_failure="continue")
        if look not in found:
            found.append(look)
    return found[:STEPS_MAX]


def log_words(context: ContextResolved) -> str:
    """What a line of a log must hold to be worth showing, one word a line: the request's own, and those of errors."""
    statuses = _HTTP_STATUS.findall(context.text)[:STATUSES_MAX]
    return "\n".join(dict.fromkeys([*filter_words(context), *statuses, *ERROR_WORDS]))


def _state(asset: Asset, context: ContextResolved) -> list[StepDraft]:
    if is_host(asset):
        return [StepDraft("ssh.host_status", asset, {"manager": manager_of(asset)})]
    unit = asset.attributes.get("unit", "")
    if host_of(asset, context) is None or not is_unit(unit):
        return []
    return [StepDraft("ssh.unit_status", asset, {"unit": unit, "manager": manager_of(asset)})]


def _log(asset: Asset, context: ContextResolved) -> list[StepDraft]:
    try:
        path = check_path(asset.attributes.get("log_path", ""))
    except PathRefusedError:
        return []
    if host_of(asset, context) is None:
        return []
    return [StepDraft("ssh.log_tail", asset, {"path": path, "lines": LINES, "contains": log_words(context)})]


def _connections(asset: Asset, context: ContextResolved) -> list[StepDraft]:
    """From the asset's host to what the attribute `depends_on` names, as far as the context holds that."""
    host = host_of(asset, context)
    if host is None:
        return []
    targets = ((each, port_of(each)) for each in _needs(asset, known_assets(context)))
    return [
        StepDraft("ssh.port_check", host, {"target_asset_id": each.id, "port": port})
        for each, port in targets
        if port is not None and each.address
    ]


def _needs(asset: Asset, known: Iterable[Asset]) -> list[Asset]:
    named = {name.strip().casefold() for name in asset.attributes.get("depends_on", "").split(",") if name.strip()}
    return [each for each in known if each.id != asset.id and each.name.casefold() in named]


def _load(asset: Asset, context: ContextResolved) -> list[StepDraft]:
    host = host_of(asset, context)
    return [StepDraft("ssh.host_load", host, {"metrics": METRICS})] if host is not None else []
