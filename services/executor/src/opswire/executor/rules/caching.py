"""Which tool results may answer for another request, for how long, and what puts them out of date.

The table is closed: a tool that is not in it is never kept, and a test asks that every tool is in it. What is asked of
state, connections and logs is how they are now, so only what changes by the hand of an administrator, or is an average
anyway, is kept, and for seconds. File contents may be confidential and stay out of the shared level. A step that
changes something is never read from here, whatever its tool.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson
from opswire.contracts.caches_invalidated.tags import asset_tag, name_tag
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import Effect
from opswire.executor.rules.tools import ToolCall, ToolResult

TOOL_TAG_PREFIX = "tool:"
FAILURE_TTL_S = 1.0
"""A finding that may be gone at any moment is kept just long enough for those who ask together."""
_STEADY = frozenset({"verified", "not verified", "resolved"})


@dataclass(frozen=True, slots=True)
class Caching:
    """How long a result of a tool is true enough, in seconds; 0: it is never kept. `reason` says why."""

    ttl_s: float
    reason: str


CACHING: dict[str, Caching] = {
    "inventory.list": Caching(0, "made of the request's context, whose own cache is invalidated with the inventory"),
    "inventory.count": Caching(0, "made of the request's context, whose own cache is invalidated with the inventory"),
    "inventory.get": Caching(0, "made of the request's context, whose own cache is invalidated with the inventory"),
    "system.help": Caching(0, "computed in microseconds"),
    "ssh.host_status": Caching(0, "the question is how it is now"),
    "ssh.unit_status": Caching(0, "the question is how it is now"),
    "ssh.host_load": Caching(5, "averages of a minute and more, asked by everybody who looks at the same incident"),
    "ssh.log_tail": Caching(0, "the question is what was written last, and log lines may be confidential"),
    "ssh.file_read": Caching(0, "contents may be confidential and stay out of the shared level"),
    "ssh.port_check": Caching(0, "the question is whether it connects now"),
    "http.check": Caching(0, "the question is how it is now"),
    "tcp.connect": Caching(0, "the question is whether it connects now"),
    "tls.inspect": Caching(30, "a certificate changes by hand; whether the port answers is asked by tcp.connect"),
    "dns.resolve": Caching(30, "name servers answer with what they keep for longer"),
}


def ttl_of(call: ToolCall) -> float:
    """For how many seconds the result of this call may be kept; 0 where it may not."""
    known = CACHING.get(call.step.tool)
    return 0.0 if known is None or call.step.effect not in (Effect.NONE, Effect.READ) else known.ttl_s


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
