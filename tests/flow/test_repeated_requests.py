"""A request that comes again costs what the pipeline costs: no model call, and no tool unless its sender wants that."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
import pytest_asyncio
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.contracts.intent_resolved import IntentResolved
from opswire.ledger.store import create

DATA = Path(__file__).parents[1] / "data"
REPEATS = 5
SHOW = {"intent": "asset.get", "entities": [], "confidence": 92, "risk": "LOW", "reason": "clear"}
QUESTION = "does web-01.example.test resolve in dns?"


class NameServer(asyncio.DatagramProtocol):
    """Knows one name, and counts the questions for its address."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if question.rdtype == dns.rdatatype.A:
            self.asked += 1
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", "192.0.2.7"))
        self._transport.sendto(response.to_wire(), addr)


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(Answer(json.dumps(SHOW))) as running:
        yield running


@pytest.fixture(scope="module")
def dns_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel, dns_port: int) -> Iterator[System]:
    settings = {
        "LLM_PROVIDER": "vllm",
        "LLM_BASE_URL": model.url,
        "LLM_MODEL": "scripted",
        "LLM_API_KEY": "none",
        "OPSWIRE_TEMPLATE_AGREEMENTS_MIN": "2",
        "OPSWIRE_NAMESERVERS": json.dumps([f"127.0.0.1#{dns_port}"]),
    }
    with System(tmp_path_factory.mktemp("system"), settings) as running:
        create(running.directory / "traces.sqlite3")
        running.import_inventory((DATA / "inventory.yaml").read_text())
        yield running


@pytest_asyncio.fixture
async def asker(system: System) -> AsyncIterator[Upstream]:
    await asyncio.to_thread(system.wait_warm)
    async with Upstream(system.nats.url) as upstream:
        yield upstream


@pytest_asyncio.fixture
async def name_server(dns_port: int) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", dns_port))
    yield server
    transport.close()


async def answered(upstream: Upstream, text: str) -> None:
    outcome = await upstream.ask(text)
    assert outcome["status"] == "completed", outcome


async def test_a_repeated_request_makes_no_model_call(asker: Upstream, model: ScriptedModel) -> None:
    """Nor does it cost more than twice the pipeline's own work: bench/repeated.py."""
    vague = "zeig mir bitte mal web-05"
    await answered(asker, vague)
    calls = len(model.calls)
    for _ in range(REPEATS):
        await answered(asker, vague)
    assert len(model.calls) == calls > 0


async def source_of(upstream: Upstream, text: str) -> tuple[str, str, list[str]]:
    request_id = await upstream.submit(text)
    (body,) = await upstream.read(f"opswire.v1.test.{request_id}.intent", 1, 20)
    found = IntentResolved.from_bytes(body).intent
    return found.source.value, found.name.value, [entity.value for entity in found.entities]


async def test_a_template_that_agreed_saves_the_model_call_for_other_names(
    asker: Upstream, model: ScriptedModel, system: System
) -> None:
    calls, sentence = len(model.calls), "beschreib mir doch {} genauer"
    found = [await source_of(asker, sentence.format(name)) for name in ("web-01", "web-02", "web-03")]
    assert found == [
        ("model", "asset.get", ["web-01"]),
        ("model", "asset.get", ["web-02"]),
        ("cache", "asset.get", ["web-03"]),
    ]
    assert len(model.calls) - calls == 2
    assert system.health("intent")["details"]["templates"]["serving"] >= 1


async def ask(upstream: Upstream, headers: dict[str, str] | None = None) -> dict[str, Any]:
    request_id = str(uuid.uuid4())
    body = {"request_id": request_id, "requester": {"id": "tester", "kind": "human"}, "text": QUESTION}
    await upstream.publish(request_id, json.dumps(body).encode(), headers)
    outcome = await upstream.outcome(request_id)
    assert outcome["status"] == "completed", outcome
    return outcome


async def test_a_tool_runs_again_only_for_who_wants_it_fresh(asker: Upstream, name_server: NameServer) -> None:
    first, again = await ask(asker), await ask(asker)
    assert name_server.asked == 1
    assert first["answer"]["rows"] == again["answer"]["rows"]
    assert "from the cache" not in first["answer"]["summary"]
    assert "from the cache, under 1 s old; --fresh asks anew" in again["answer"]["summary"]
    fresh = await ask(asker, {"Opswire-Fresh": "1"})
    assert name_server.asked == 2
    assert "from the cache" not in fresh["answer"]["summary"]
    assert "from the cache" in (await ask(asker))["answer"]["summary"]
    assert name_server.asked == 2
