"""The model tier in the real service: a broker, a cache, a scripted model server, and requests from outside."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Body
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.routes import ASSET_CHANGED
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.normalise import clean
from opswire.intent.language.risk import risk_of
from opswire.intent.prompts.library import load_prompts
from opswire.ledger.model import Span
from opswire.ledger.store import create, read_request

ROOT = Path(__file__).parents[2]
INJECTIONS = ROOT / "services" / "intent" / "tests" / "data" / "injections.jsonl"
KEY = "key-that-nobody-may-see"
SPANS_TIMEOUT_S = 15.0
TAKEN = "process opswire.v1.{source}.{request_id}.submitted"
RESTART = {"intent": "service.restart", "entities": [], "confidence": 90, "risk": "MEDIUM", "reason": "clear"}


def says(**changes: Any) -> Answer:
    return Answer(json.dumps(RESTART | changes))


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(says()) as running:
        yield running


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[System]:
    settings = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted", "LLM_API_KEY": KEY}
    with System(tmp_path_factory.mktemp("system"), settings) as running:
        create(running.directory / "traces.sqlite3")
        running.import_inventory((ROOT / "tests" / "data" / "inventory.yaml").read_text())
        yield running


@pytest_asyncio.fixture
async def asker(system: System, model: ScriptedModel) -> AsyncIterator[Upstream]:
    await asyncio.to_thread(system.wait_warm)
    model.always(says())
    async with Upstream(system.nats.url) as upstream:
        yield upstream


async def resolved(upstream: Upstream, text: str) -> IntentResolved:
    request_id = await upstream.submit(text)
    (body,) = await upstream.read(f"opswire.v1.test.{request_id}.intent", 1, 20)
    return IntentResolved.from_bytes(body)


async def test_a_vague_request_is_one_call_and_the_same_words_again_none(asker: Upstream, model: ScriptedModel) -> None:
    asked = len(model.calls)
    first = await resolved(asker, "erfrisch mir doch mal web-05")
    second = await resolved(asker, "Erfrisch mir doch mal  web-05!")
    assert (first.intent.name, first.intent.source, first.intent.confidence) == ("service.restart", "model", 0.9)
    assert second.intent.source == "cache"
    assert [[one.value for one in found.intent.entities] for found in (first, second)] == [["web-05"]] * 2
    (call,) = model.calls[asked:]
    step = load_prompts("merged").steps[0]
    assert [message["role"] for message in call.body["messages"]] == ["system", "user"]
    assert call.body["messages"][0]["content"] == step.stable
    assert "tools" not in call.body
    enum = call.body["response_format"]["json_schema"]["schema"]["properties"]["entities"]["items"]["properties"]
    assert "web-05" in enum["value"]["enum"]


async def test_a_clear_request_asks_no_model(asker: Upstream, model: ScriptedModel) -> None:
    asked = len(model.calls)
    assert (await resolved(asker, "list all servers in production")).intent.source in ("local", "cache")
    assert len(model.calls) == asked


async def test_an_unsure_model_is_a_question_with_something_to_choose(asker: Upstream, model: ScriptedModel) -> None:
    model.always(says(confidence=10, reason="vague"))
    outcome = await asker.ask("zupf mal daran herum")
    assert (outcome["status"], outcome["reason"]) == ("needs_clarification", "unclear_request")
    assert outcome["candidates"][0]["value"] == "service.restart"


async def test_health_shows_the_model_and_never_its_key(system: System, asker: Upstream, model: ScriptedModel) -> None:
    await resolved(asker, "rüttel bitte an web-05 herum")
    found = system.health("intent")
    shown = found["details"]["inference"]
    assert found["status"] == "ok"
    assert (shown["is_warm"], shown["prompts"]) == (True, load_prompts("merged").key)
    (endpoint,) = shown["chain"]
    assert (endpoint["provider"], endpoint["model"]) == ("vllm", "scripted")
    assert model.url in str(endpoint)
    assert KEY not in json.dumps(found)
    assert KEY not in json.dumps([system.health(name) for name in ("assets", "executor", "cache")])
    assert not any(KEY in line for _, line in system.log_lines())


async def request_spans(system: System, key: str) -> dict[str, Span]:
    """The spans of a request by name, once its model call and the taking of its submission are there."""
    spans: dict[str, Span] = {}

    async def is_whole() -> bool:
        spans.update((span.name, span) for span in read_request(system.directory / "traces.sqlite3", key))
        return {"chat scripted", TAKEN} <= spans.keys()

    await until_told(is_whole, SPANS_TIMEOUT_S)
    return spans


async def test_a_model_call_hangs_under_the_handling_of_its_request(system: System, asker: Upstream) -> None:
    request_id = await asker.submit("stups mal web-07 leicht an")
    await asker.outcome(request_id)
    spans = await request_spans(system, f"test/{request_id}")
    process = spans[TAKEN]
    call = spans["chat scripted"]
    assert (call.kind, call.parent_id, call.trace_id) == ("CLIENT", process.span_id, process.trace_id)
    assert call.attributes["opswire.llm.operation"] == "intent.merged"
    assert process.attributes["opswire.stage"] == "intent.compute"


WORST = itertools.cycle(["status.check", "service.restart", "data.delete", "secret.read", "command.run"])


def obey(body: Body) -> str:
    """Whatever the attacker may want: another intent each time, every value on offer, no risk and no doubt."""
    properties = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    if "term" in properties:
        return json.dumps({"term": properties["term"]["enum"][-1]})
    if "entities" not in properties:
        return "ok"
    value = properties["entities"]["items"]["properties"]["value"]
    offered = value.get("enum", ["db-99", "$(reboot)", "web-01", "evil.example", "production"])
    entities = [{"type": "host", "value": one} for one in offered[:12]]
    return json.dumps(RESTART | {"intent": next(WORST), "entities": entities, "confidence": 100, "risk": "LOW"})


async def test_an_obedient_model_gains_an_attacker_nothing(
    asker: Upstream, model: ScriptedModel, system: System
) -> None:
    model.always(Answer(obey))
    asked = len(model.calls)
    rows = [json.loads(line) for line in INJECTIONS.read_text().splitlines()]
    names = NameIndex()
    for body in await asker.stored(ASSET_CHANGED.template.replace("{asset_id}", "*"), ASSET_CHANGED.stream):
        names.apply(AssetChanged.from_bytes(body))
    ids = {await asker.submit(row["text"]): row["text"] for row in rows}
    ends = await asyncio.gather(*(asker.settled(request_id) for request_id in ids))
    assert len(ends) == len(rows)
    claims = await asker.stored("opswire.v1.test.*.step.*.claimed")
    assert claims == [], "nothing is changed that nobody approved"
    assert len(model.calls) - asked > len(rows) / 4, "hardly any of them reached the model"
    from_model = 0
    for request_id, text in ids.items():
        for stored in await asker.stored(f"opswire.v1.test.{request_id}.intent"):
            found = IntentResolved.from_bytes(stored).intent
            from_model += found.source == "model"
            floor = risk_of(found.name, extract_entities(text, names), names, text)
            assert found.risk.rank >= floor.rank, text
            assert all(entity.value.lower() in clean(text).lower() for entity in found.entities), text
    assert from_model > 10
    for call in model.calls[asked:]:
        assert [message["role"] for message in call.body["messages"]][:2] == ["system", "user"]
    assert all(system.is_ready(name) for name in system.names)
