"""A catalogue of a few tools, and calls of them, without a request behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset, IntentFinding, Requester
from opswire.contracts.plan_made import Step
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, RequesterKind, Risk
from opswire.executor.adapters.tools import Drivers
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.catalogue_reading import read_catalogue
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.tools import ToolCall, ToolResult

READ: dict[str, Any] = {
    "does": "Looks at something.",
    "effect": "read",
    "risk": "LOW",
    "caching": {"ttl_s": 0, "reason": "the question is how it is now"},
    "timeout_ms": 10_000,
    "intents": ["status.check"],
}
WRITE: dict[str, Any] = READ | {
    "does": "Changes something.",
    "effect": "write",
    "unverified": "this is a test",
    "irreversible": "this is a test",
}


def tool(name: str, driver: Mapping[str, Any], like: Mapping[str, Any] = READ, **more: Any) -> dict[str, Any]:
    return {**like, "name": name, "driver": dict(driver), **more}


def text(*tools: Mapping[str, Any], **more: Any) -> str:
    # JSON is YAML too, and the dumper would write aliases for what two tools share.
    return json.dumps({"catalogue": 1, "owner": "test", "tools": [dict(each) for each in tools], **more})


def catalogue(*tools: Mapping[str, Any], **more: Any) -> Catalogue:
    return read_catalogue({"test.yaml": text(*tools, **more)})


def parameter(kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"type": kind, "describes": "an argument of a test", **more}


def call(of: Catalogue, name: str, asset: Asset | None, **arguments: Value) -> ToolCall:
    """The call, its arguments checked as a plan's are."""
    of.check(name, arguments)
    entry = of.entry(name)
    step = Step(
        number=1,
        tool=name,
        effect=entry.effect,
        risk=entry.risk,
        arguments=dict(arguments),
        timeout_ms=entry.timeout_ms,
    )
    context = ContextResolved(
        request_id="request-1",
        requester=Requester(id="dana", kind=RequesterKind.HUMAN),
        text="a question",
        intent=IntentFinding(name=IntentName.STATUS_CHECK, confidence=0.99, risk=Risk.LOW, source=IntentSource.LOCAL),
        selection="none",
        accepted_ns=1,
        deadline_ns=2,
    )
    return ToolCall(step, context, asset, asset)


async def run(drivers: Drivers, of: Catalogue, name: str, asset: Asset | None, **arguments: Value) -> ToolResult:
    drivers.use(of)
    return await drivers.tools[name](call(of, name, asset, **arguments))
