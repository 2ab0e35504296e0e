"""The ledger imports nothing of ours; what it holds a copy of is the same as the original."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import opswire.ledger
from opswire.chassis.sinks import SCHEMA as WRITERS_SCHEMA
from opswire.chassis.sinks import SpanStore
from opswire.chassis.stages import Stage as ChassisStage
from opswire.chassis.telemetry import remote_child, span
from opswire.ledger.account import account
from opswire.ledger.model import SpanLink
from opswire.ledger.stages import Stage
from opswire.ledger.store import SCHEMA, read_request


def test_the_stages_are_the_chassis_stages() -> None:
    assert [(stage.name, stage.value) for stage in Stage] == [(stage.name, stage.value) for stage in ChassisStage]


def test_the_store_is_the_one_that_the_chassis_writes() -> None:
    assert SCHEMA == WRITERS_SCHEMA


def test_what_the_chassis_writes_is_what_the_ledger_reads(tmp_path: Path) -> None:
    intent = remote_child("process opswire.v1.{source}.{request_id}.submitted", None, "cli/r1", {})
    intent.set("messaging.nats.message.stored_time", intent.start_ns - 1_000_000)
    intent.set("opswire.stage", ChassisStage.INTENT_COMPUTE.value)
    with intent:
        with span("slot template", ChassisStage.CACHE_LOOKUP, {"cache.hit": True}) as lookup:
            lookup.links.append(("b" * 32, "c" * 16))
        with span("send opswire.v1.{source}.{request_id}.finished", ChassisStage.PUBLISH_ACK, kind="PRODUCER") as send:
            send.set("opswire.published", True)
    sink = SpanStore(tmp_path / "traces.sqlite", "intent")
    sink.write([lookup, send, intent])
    found = read_request(tmp_path / "traces.sqlite", "cli/r1")
    sink.close()
    assert [s.span_id for s in found] == [intent.span_id, lookup.span_id, send.span_id]
    assert found[1].links == (SpanLink("b" * 32, "c" * 16),)
    assert found[1].attributes == {"opswire.stage": "cache.lookup", "cache.hit": True}
    request, segments = account("cli/r1", found)
    assert request.flags == ()
    assert request.e2e_ns == send.end_ns - intent.start_ns + 1_000_000
    assert segments[0].stage is Stage.BUS_WAIT


STANDARD_LIBRARY = sys.stdlib_module_names | {"opswire.ledger"}
AT_THE_EDGE = {"orjson", "google", "opentelemetry", "starlette", "uvicorn"}


def imported_by(source: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        for module in modules:
            found.add(".".join(module.split(".")[:2]) if module.startswith("opswire") else module.split(".")[0])
    return found


def test_the_walk_stands_on_the_standard_library_alone_and_only_the_readers_on_more() -> None:
    root = Path(opswire.ledger.__path__[0])
    core = sorted(root.glob("*.py"))
    edge = [root / "receiver.py", *root.glob("readers/*.py")]
    assert len(core) > 10
    for source in core:
        if source not in edge:
            assert imported_by(source) <= STANDARD_LIBRARY, source.name
    for source in edge:
        assert imported_by(source) <= STANDARD_LIBRARY | AT_THE_EDGE, source.name
