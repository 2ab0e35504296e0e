"""`python -m opswire.executor.prompt_texts [REQUEST...]`: what a model is sent, part by part, on an example.

One JSON document, for `opswire tokens` to count: the command line imports no service. The example is a shop with a
service, a database and their hosts, looked at from both; `OPSWIRE_CATALOGUE_DIR` adds a team's own tools, as for the
service. Ends with status 2 and `{"error": {"message", "advice"}}` where a request cannot be planned.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.call import Message, OutputSchema
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset, IntentFinding, Requester
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, RequesterKind, Risk
from opswire.executor.adapters.catalogue_files import CatalogueFiles
from opswire.executor.prompts.library import Prompt, load_prompt
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.tools import Record, ToolResult
from opswire.executor.usecases.diagnose import STEPS_MAX
from opswire.executor.usecases.follow_up import follow_ups
from opswire.executor.usecases.offer import offer_of
from opswire.executor.usecases.outcomes import StepOutcome
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.proposal import proposal_schema
from opswire.executor.usecases.propose import OPERATION as PLAN
from opswire.executor.usecases.propose import TOKENS_MAX as PLAN_TOKENS_MAX
from opswire.executor.usecases.propose import plan_texts
from opswire.executor.usecases.run import call_of
from opswire.executor.usecases.summarise_by_model import OPERATION as SUMMARY
from opswire.executor.usecases.summarise_by_model import TOKENS_MAX as SUMMARY_TOKENS_MAX
from opswire.executor.usecases.summarise_by_model import steps_of, summary_schema, summary_texts

CANNOT = 2
OWN = ("why does checkout return 502", "orders-db refuses connections since this morning, what is wrong?")
_UNITS = {
    "checkout@web-01": {"port": "8080", "protocol": "http", "health_path": "/health", "depends_on": "orders-db@db-01"},
    "orders-db@db-01": {"port": "5432", "protocol": "tcp"},
}
_FOUND: dict[str, tuple[Record, ...]] = {
    "ssh.unit_status": ({"check": "unit", "state": "running", "pid": 4242, "detail": "up 2 h 5 min"},),
    "http.check": ({"check": "http", "result": "unhealthy", "port": 8080, "detail": "HTTP 502: orders-db is away"},),
    "tcp.connect": ({"check": "tcp", "result": "refused", "port": 5432, "detail": "connection refused"},),
    "ssh.port_check": ({"check": "tcp", "result": "refused", "port": 5432, "detail": "connection refused"},),
    "ssh.log_tail": tuple(
        {"line": f"2026-11-21T08:15:{second:02}Z ERROR orders-db at 10.1.2.4:5432 is away: connection refused"}
        for second in range(12)
    ),
    "ssh.host_load": (
        {"metric": "load_1m", "value": 0.52},
        {"metric": "memory_used", "value": 41.3, "unit": "%"},
        {"metric": "disk_used", "value": 63.0, "unit": "%", "detail": "/"},
    ),
}
"""What the looks of the example find; the others find nothing."""


def texts_of(requests: Sequence[str], catalogue: Catalogue) -> dict[str, Any]:
    """Both prompts, filled for each request from either side of the example. Raises what planning raises."""
    asked = [(text, name) for text in requests for name in _UNITS] or list(zip(OWN, _UNITS, strict=True))
    contexts = [_example(text, name) for text, name in asked]
    plans = [_plan(context, catalogue) for context in contexts]
    summaries = [_summary(context, catalogue) for context in contexts]
    return {
        "prompts": [
            _described(PLAN, load_prompt("plan"), PLAN_TOKENS_MAX, plans),
            _described(SUMMARY, load_prompt("summary"), SUMMARY_TOKENS_MAX, summaries),
        ]
    }


def _described(name: str, prompt: Prompt, tokens_max: int, filled: Sequence[dict[str, Any]]) -> dict[str, Any]:
    described = {"name": name, "version": prompt.version, "key": prompt.key, "output_tokens_max": tokens_max}
    return described | {"conversations": list(filled)}


def _plan(context: ContextResolved, catalogue: Catalogue) -> dict[str, Any]:
    offer = offer_of(context, catalogue)
    texts = plan_texts(context, offer, catalogue)
    return _filled(load_prompt("plan"), texts, proposal_schema(context, offer, catalogue))


def _summary(context: ContextResolved, catalogue: Catalogue) -> dict[str, Any]:
    outcomes = list(_looked(context, catalogue))
    following = follow_ups(context, outcomes, catalogue)
    texts = summary_texts(context, outcomes, following)
    return _filled(load_prompt("summary"), texts, summary_schema(steps_of(outcomes), len(following)))


def _looked(context: ContextResolved, catalogue: Catalogue) -> Iterator[StepOutcome]:
    for step in make_plan(context, catalogue).steps[:STEPS_MAX]:
        yield StepOutcome(call_of(step, context), result=ToolResult(_FOUND.get(step.tool, ())))


def _filled(prompt: Prompt, texts: dict[str, str], schema: OutputSchema[Any]) -> dict[str, Any]:
    messages: tuple[Message, ...] = prompt.messages(**texts)
    return {
        "messages": [{"role": each.role, "content": each.content} for each in messages],
        "parts": prompt.parts(**texts),
        "schema": json.dumps(schema.json_schema, separators=(",", ":")),
    }


def _example(text: str, name: str) -> ContextResolved:
    names = [each for each in _UNITS if each == name or each in _UNITS[name].get("depends_on", "")]
    units = [_unit(each, _UNITS[each]) for each in names]
    now_ns = time.time_ns()
    return ContextResolved(
        request_id="example",
        requester=Requester(id="example", kind=RequesterKind.HUMAN),
        text=text,
        intent=IntentFinding(
            name=IntentName.DIAGNOSE_ISSUE, confidence=1.0, entities=[], risk=Risk.LOW, source=IntentSource.LOCAL
        ),
        selection="named",
        assets=units,
        hosts=[_asset(str(unit.parent), "host") for unit in units],
        total=len(units),
        accepted_ns=now_ns,
        deadline_ns=now_ns + 30_000_000_000,
    )


def _unit(name: str, attributes: dict[str, str]) -> Asset:
    short, _, host = name.partition("@")
    own = {"unit": short, "manager": "systemd", "log_path": f"/var/log/{short}.log"}
    return _asset(name, "service", parent=host, aliases=[short], attributes=own | attributes)


def _asset(name: str, kind: str, **more: Any) -> Asset:
    known = {"id": name.replace("@", "_at_"), "name": name, "type": kind, "environment": "production"}
    return Asset.model_validate(known | {"address": "10.1.2.3"} | more)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the texts, or the error, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m opswire.executor.prompt_texts")
    parser.add_argument("requests", nargs="*", help="requests to plan; two of our own when left out")
    folder = os.environ.get("OPSWIRE_CATALOGUE_DIR")
    try:
        requests = parser.parse_args(arguments).requests
        found = texts_of(requests, CatalogueFiles(Path(folder) if folder else None).current)
    except OpswireError as error:
        found = {"error": {"message": str(error), "advice": "opswire tokens --help"}}
    sys.stdout.write(json.dumps(found))
    return CANNOT if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
