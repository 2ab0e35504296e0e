"""`opswire up --model vllm-cpu`: the model server as one more child, and a request through the services to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmInstallation
from opswire.chassis.stages import Stage
from opswire.chassis.testing.waiting import until_told
from opswire.cli.processes import is_same
from opswire.cli.state import StateDir
from opswire.cli.testing import CommandLine
from opswire.ledger.store import read_request

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]
READY_TIMEOUT_S = 320.0
INVENTORY = Path(__file__).parents[1] / "data" / "inventory.yaml"


@pytest.fixture(scope="module")
def up(vllm_installation: VllmInstallation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A system whose local classifier never suffices: every request goes to the model."""
    settings = {
        "OPSWIRE_LOCAL_SUFFICES_THRESHOLD": "1.0",
        "OPSWIRE_CACHE": "off",
        "OPSWIRE_VLLM_CPU_HOME": str(vllm_installation.home),
    }
    opswire = CommandLine(tmp_path_factory.mktemp("up") / "state", settings)
    try:
        started = opswire.run("up", "--detach", "--model", "vllm-cpu", "--json", timeout_s=READY_TIMEOUT_S)
        assert started.status == 0, started.err + started.out
        yield opswire
    finally:
        opswire.run("down", timeout_s=60)


def test_status_knows_the_model_server_with_all_its_memory(up: CommandLine) -> None:
    children = {child["name"]: child for child in up.run("status", "--json").json["children"]}
    assert children["vllm"]["ready"]
    assert children["vllm"]["memory_mb"] > 1_000, "engine and worker belong to it"


async def test_a_request_goes_through_the_services_to_the_model(up: CommandLine) -> None:
    imported = await asyncio.to_thread(up.run, "assets", "import", str(INVENTORY), "--json")
    assert imported.status == 0, imported.err
    asked = await asyncio.to_thread(up.run, "ask", "what is the address of web-05", "--deadline", "60s", "--json")
    assert asked.json["status"] in {"completed", "needs_clarification"}, asked.out + asked.err
    key = f"cli/{asked.json['request_id']}"
    store = StateDir(up.state_dir).trace_store

    async def is_traced() -> bool:
        return any(span.name == f"chat {SERVED_NAME}" for span in read_request(store, key))

    await until_told(is_traced, 60.0)
    spans = read_request(store, key)
    call = next(span for span in spans if span.name == f"chat {SERVED_NAME}")
    assert call.attributes["opswire.llm.operation"] == "intent.merged"
    assert call.attributes["opswire.llm.finish_reason"] == "stop"
    stages = {span.attributes["opswire.stage"] for span in spans if span.parent_id == call.span_id}
    assert {Stage.LLM_PREFILL, Stage.LLM_DECODE} <= stages
    facts = [fact["fact"] for fact in (await asyncio.to_thread(up.run, "show", key, "--json")).json["facts"]]
    assert facts.count("finished") == 1


def test_down_ends_the_model_server_too(up: CommandLine) -> None:
    record = StateDir(up.state_dir).running()
    (server,) = [child for child in record.children if child.name == "vllm"]
    ended = up.run("down", "--json", timeout_s=60)
    assert "vllm" in ended.json["ended"]
    assert not is_same(server.pid, server.started)
