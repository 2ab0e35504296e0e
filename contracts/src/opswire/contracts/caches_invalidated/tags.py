"""The tags by which cache entries name what they depend on, and those that a change of an asset puts out of date."""

from __future__ import annotations

from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.basis_changed import BasisChanged, BasisKind

INVENTORY = "inventory"
"""Depends on the inventory as a whole: lists, counts, and anything that a new asset could change."""
KNOWLEDGE = "knowledge"
"""Depends on the knowledge as a whole: what a search found, which a new document could change."""
POLICY = "policy"
"""Depends on what is allowed."""
CATALOGUE = "catalogue"
"""Depends on which tools there are: a plan does, a tool's result depends on `tool_tag`."""
EVERYTHING = "all"
FOUND_ELSEWHERE = "found in another process: "
"""Begins the reason why a cache is off that was switched off by `off_tag`."""


def asset_tag(asset_id: str) -> str:
    """Depends on this asset's state."""
    return f"asset:{asset_id}"


def name_tag(name: str) -> str:
    """Depends on which assets answer to this name."""
    return f"name:{name.lower()[:256]}"


def document_tag(document_id: str) -> str:
    """Depends on this document of the knowledge."""
    return f"knowledge:{document_id}"


def tool_tag(tool: str) -> str:
    """Depends on what this tool is and does."""
    return f"tool:{tool}"


def off_tag(cache: str) -> str:
    """Nothing depends on it: it tells every process to serve nothing from this cache any longer, as it is wrong."""
    return f"off:{cache[:256]}"


def tags_of_change(change: AssetChanged) -> list[str]:
    """Everything that a change of one asset puts out of date: its state, all its names before and after, every list."""
    names = set(change.previous_names)
    if change.asset is not None:
        names.update((change.asset.name, *change.asset.aliases))
    names |= {name.partition(".")[0] for name in names}  # a short name stands for a full one while it is unique
    return [asset_tag(change.asset_id), INVENTORY, *sorted({name_tag(name) for name in names if name})]


def tags_of_basis(change: BasisChanged) -> list[str]:
    """Everything that a change of documents, policy or tools puts out of date: what rests on them all, and on each."""
    names = sorted(set(change.names))
    match change.kind:
        case BasisKind.KNOWLEDGE:
            return [KNOWLEDGE, *map(document_tag, names)]
        case BasisKind.CATALOGUE:
            return [CATALOGUE, *map(tool_tag, names)]
        case BasisKind.POLICY:
            return [POLICY]
