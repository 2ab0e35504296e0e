"""A real client in front of a scripted model server, and a shop whose checkout is asked about."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import openai  # noqa: F401  loaded here, so that no test's clock runs meanwhile
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset, Entity, IntentFinding, Requester
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, RequesterKind, Risk

CANARIES = {
    "credential": "file:keys/CANARY-1",
    "ssh_host_key": "ssh-ed25519 CANARY-2",
    "ssh_user": "CANARY-3",
    "db_password": "CANARY-4",
    "api_token": "CANARY-5",
    "dsn": "vault:secret/CANARY-6#dsn",
    "url": "postgres://shop:CANARY-7777@db-01/orders",
}
SERVICE = {
    "unit": "checkout",
    "manager": "supervisor",
    "log_path": "/var/log/checkout.log",
    "port": "8080",
    "protocol": "http",
    "health_path": "/health",
}


def soon(seconds: float = 30.0) -> int:
    return time.time_ns() + int(seconds * 1e9)


def an_asset(name: str, kind: str = "host", **more: Any) -> Asset:
    known = {"id": name.replace("@", "_at_"), "name": name, "type": kind, "environment": "production"}
    return Asset.model_validate(known | {"address": "10.1.2.3"} | more)


def shop(
    intent: str = "diagnose.issue",
    text: str = "why does checkout return 502",
    entities: Sequence[tuple[str, str]] = (),
    by: RequesterKind = RequesterKind.HUMAN,
    deadline_s: float = 30.0,
) -> ContextResolved:
    """checkout on web-01 and the database that it needs on db-01, all with credentials that nobody may see."""
    secrets = {name: value for name, value in CANARIES.items() if not name.startswith("ssh_")}
    checkout = an_asset(
        "checkout@web-01", "service", parent="web-01", aliases=["checkout"], attributes=SERVICE | secrets
    )
    orders = an_asset(
        "orders-db@db-01",
        "database",
        parent="db-01",
        aliases=["orders-db"],
        attributes={"unit": "orders-db", "port": "5432"},
    )
    return ContextResolved(
        request_id="request-1",
        requester=Requester(id="dana", kind=by),
        text=text,
        intent=IntentFinding(
            name=IntentName(intent),
            confidence=0.99,
            entities=[Entity(type=EntityType(kind), value=value) for kind, value in entities],
            risk=Risk.LOW,
            source=IntentSource.LOCAL,
        ),
        selection="named",
        assets=[checkout, orders],
        hosts=[an_asset("web-01", attributes=dict(CANARIES)), an_asset("db-01", attributes=dict(CANARIES))],
        total=2,
        accepted_ns=1,
        deadline_ns=soon(deadline_s),
    )


def step(tool: str, target: str, *after: int, on_failure: str = "continue", **arguments: str) -> dict[str, Any]:
    """One step as a model writes it."""
    given = [{"name": name, "value": value} for name, value in arguments.items()]
    return {"tool": tool, "target": target, "arguments": given, "after": list(after), "on_failure": on_failure}


def plan_of(*steps: Mapping[str, Any]) -> str:
    """A model's whole reply."""
    return json.dumps({"steps": list(steps)})


@asynccontextmanager
async def client_of(model: ScriptedModel, timeout_s: float = 30.0) -> AsyncIterator[InferenceClient]:
    """A client that asks this server and no other, closed at the end."""
    endpoint = Endpoint(
        name="only", provider="vllm", base_url=model.url, model="scripted", timeout_s=timeout_s, api_key="none"
    )
    configuration = InferenceConfiguration(chain=(endpoint,))
    client = InferenceClient("executor", lambda: configuration, Metrics())
    try:
        yield client
    finally:
        await client.close()


def sent(model: ScriptedModel) -> str:
    """Everything that was sent to the model so far."""
    return "\n".join(json.dumps(call.body, ensure_ascii=False) for call in model.calls)
