"""Which tool results may answer for another request, for how long, and what puts them out of date.

The catalogue says it of each tool; one that is not in it is never kept. What is asked of state, connections and logs is
how they are now, so only what changes by the hand of an administrator, or is an average anyway, is kept, and for
seconds. File contents may be confidential and stay out of the shared level. A step that changes something is never
read from here, whatever its tool.
"""

from __future__ import annotations

import hashlib

import orjson
from opswire.contracts.caches_invalidated.tags import asset_tag, name_tag
from opswire.contracts.findings import Asset
from opswire.executor.rules.catalogue import READS, Catalogue
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import ToolCall, ToolResult

TOOL_TAG_PREFIX = "tool:"
FAILURE_TTL_S = 1.0
"""A finding that may be gone at any moment is kept just long enough for those who ask together."""
_STEADY = frozenset({"verified", "not verified", "resolved"})


def ttl_of(call: ToolCall, catalogue: Catalogue | None = None) -> float:
    """For how many seconds the result of this call may be kept; 0 where it may not. The package's catalogue if none."""
    known = (catalogue or packaged_catalogue()).find(call.step.tool)
    return known.caching.ttl_s if known is not None and not known.changes and call.step.effect in READS else 0.0


def is_failure(result: ToolResult) -> bool:
    """Whether it found that something does not answer: no error of ours, but hardly true for long."""
    return any(record.get("result", "resolved") not in _STEADY for record in result.records)


def key_of(call: ToolCall, version: str) -> str:
    """All that the result depends on: tool, arguments, assets at their generations, and `version` of the drivers.

    Nobody's identity: tools log in with what the inventory names, whoever asks.
    """
    assets = [[one.id, one.generation] if one is not None else None for one in (call.asset, call.host, call.target)]
    body = orjson.dumps([version, call.step.arguments, assets], option=orjson.OPT_SORT_KEYS)
    return f"{call.step.tool}:{hashlib.sha256(body).hexdigest()[:32]}"


def tags_of(call: ToolCall) -> list[str]:
    """The tool, every asset that it spoke of, and a name that was asked about."""
    tags = [f"{TOOL_TAG_PREFIX}{call.step.tool}", *asset_tags(call.asset, call.host, call.target)]
    name = call.step.arguments.get("name")
    return [*tags, name_tag(name)] if isinstance(name, str) else tags


def asset_tags(*assets: Asset | None) -> list[str]:
    """The tags of these assets, each once."""
    return list(dict.fromkeys(asset_tag(asset.id) for asset in assets if asset is not None))
