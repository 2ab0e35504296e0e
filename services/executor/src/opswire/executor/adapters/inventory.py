"""Answers that the context already holds: lists, counts and entries of assets, and what can be asked."""

from __future__ import annotations

from collections import Counter

from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import INTENTS
from opswire.executor.rules.automatic import AUTOMATIC, CHANGES
from opswire.executor.rules.tools import Record, ToolCall, ToolResult

# References to secrets and key material: of no use to a reader, and no part of an answer.
_HIDDEN = ("credential", "key", "password", "passphrase", "secret", "token")


async def list_assets(call: ToolCall) -> ToolResult:
    """One row for each selected asset."""
    return ToolResult(tuple(_row(asset) for asset in call.context.assets))


async def count_assets(call: ToolCall) -> ToolResult:
    """How many there are by environment and type; the total alone when the context does not hold them all."""
    context = call.context
    total = max(context.total, len(context.assets))
    if total > len(context.assets):
        return ToolResult(({"environment": "all", "type": "all", "count": total},))
    counts = Counter((asset.environment, asset.type) for asset in context.assets)
    rows: list[Record] = [
        {"environment": environment, "type": kind, "count": count}
        for (environment, kind), count in sorted(counts.items())
    ]
    return ToolResult(tuple(rows) or ({"environment": "all", "type": "all", "count": 0},))


async def get_assets(call: ToolCall) -> ToolResult:
    """One named asset as property and value; several as rows."""
    assets = call.context.assets
    if len(assets) != 1:
        return await list_assets(call)
    asset = assets[0]
    shown: list[Record] = [{"property": name, "value": value} for name, value in _row(asset).items() if value]
    shown += [{"property": "generation", "value": asset.generation}]
    shown += [
        {"property": name, "value": value}
        for name, value in sorted(asset.attributes.items())
        if not any(part in name.casefold() for part in _HIDDEN)
    ]
    return ToolResult(tuple(shown))


async def describe_help(call: ToolCall) -> ToolResult:
    """The kinds of request that have a plan, with an example each; those at the end wait for people."""
    del call
    examples = {name: INTENTS[name].example for name in AUTOMATIC} | CHANGES
    return ToolResult(
        tuple(
            {
                "intent": name.value,
                "means": INTENTS[name].means,
                "example": example,
                "changes something": name in CHANGES,
            }
            for name, example in examples.items()
        )
    )


def _row(asset: Asset) -> Record:
    return {
        "name": asset.name,
        "type": asset.type,
        "environment": asset.environment,
        "address": asset.address,
        "owner": asset.owner,
        "criticality": asset.criticality,
        "parent": asset.parent,
        "site": asset.site,
        "os": asset.os,
        "groups": ", ".join(asset.groups),
        "tags": ", ".join(asset.tags),
        "aliases": ", ".join(asset.aliases),
    }
