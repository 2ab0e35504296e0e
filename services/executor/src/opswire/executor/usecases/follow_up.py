"""What might be asked next after a diagnosis: words for `opswire ask`, made of the catalogue, never run by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.targets import host_of, is_host, known_assets
from opswire.executor.rules.tools import Judgement
from opswire.executor.usecases.findings import findings_of
from opswire.executor.usecases.outcomes import StepOutcome

_RULES = (
    (frozenset({"ssh.unit_status"}), IntentName.SERVICE_START, "start {}"),
    (frozenset({"ssh.port_check"}), IntentName.STATUS_CHECK, "is {} running"),
    (frozenset({"http.check", "tcp.connect", "tls.inspect"}), IntentName.SERVICE_RESTART, "restart {}"),
)
FOLLOW_UPS_MAX = 4
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,120}")
"""Any other name would need quoting on the line that it is put on."""


def follow_ups(
    context: ContextResolved, outcomes: Sequence[StepOutcome], catalogue: Catalogue | None = None
) -> list[str]:
    """The texts of requests of their own, the most obvious first, to be sent or not by whoever reads them.

    A unit that does not run may be started. What is not reached by those who need it is looked at itself. A unit that
    runs and does not answer as it should may be restarted.
    """
    failed = [each for each in findings_of(outcomes) if each.verdict is Judgement.FAIL]
    services = [asset for asset in known_assets(context) if not is_host(asset)]
    assets = {asset.name: asset for asset in services if _PLAIN.fullmatch(asset.name)}
    found = []
    for tools, intent, words in _RULES:
        for each in failed:
            asset = assets.get(each.asset)
            if each.tool in tools and asset is not None and _can(intent, asset, catalogue or packaged_catalogue()):
                found.append(words.format(_spoken(asset, context)))
    return list(dict.fromkeys(found))[:FOLLOW_UPS_MAX]


def next_line(texts: Sequence[str]) -> str:
    """The first follow-up as it ends an answer; nothing where there is none."""
    return f' Next: opswire ask "{texts[0]}"' if texts else ""


def _can(intent: IntentName, asset: Asset, catalogue: Catalogue) -> bool:
    """Whether a tool of the catalogue serves it, and the inventory names the unit that it would act on."""
    return bool(asset.attributes.get("unit")) and any(
        asset.type in entry.asset_types for entry in catalogue.serving(intent)
    )


def _spoken(asset: Asset, context: ContextResolved) -> str:
    """As a person would name it: `checkout on web-01`."""
    host = host_of(asset, context)
    short = asset.name.partition("@")[0] if "@" in asset.name else asset.name
    return f"{short} on {host.name}" if host is not None and short != asset.name else asset.name
