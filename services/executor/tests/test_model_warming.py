"""Model servers see the shapes of plans and summaries before the first request needs them, and health says so."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene
from executor_process import ExecutorProcess
from model_scene import shop
from opswire.chassis.service import Service
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.waiting import until_told
from opswire.executor.prompts.library import load_prompt
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.usecases.offer import offer_of, reading_tools
from opswire.executor.usecases.proposal import proposal_schema, warming_schema
from opswire.executor.usecases.summarise_by_model import SummariseByModel, summary_schema


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as running:
        yield running


@asynccontextmanager
async def executor(service: Service, folder: Path, model: ScriptedModel, **more: str) -> AsyncIterator[ExecutorProcess]:
    """The whole service, with this model server."""
    scene = Scene(service, folder / "scene")
    named = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted"}
    url = service.settings.nats_url
    process = ExecutorProcess(folder / "executor", url, scene.policy_file, scene.people_file, **named, **more)
    try:
        await process.start()
        yield process
    finally:
        await asyncio.to_thread(process.stop)


async def shown(process: ExecutorProcess) -> dict[str, Any]:
    """The details of /health/ready."""

    def get() -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/health/ready", None, 5) as reply:
            details: dict[str, Any] = json.load(reply)["details"]
        return details

    return await asyncio.to_thread(get)


async def warmed(process: ExecutorProcess) -> dict[str, Any]:
    """What health shows of inference once the servers are warm."""

    async def is_warm() -> bool:
        return bool((await shown(process))["inference"]["is_warm"])

    await until_told(is_warm, timeout_s=60)
    found: dict[str, Any] = (await shown(process))["inference"]
    return found


def schemas_seen(model: ScriptedModel) -> dict[str, Any]:
    """The schemas that the server was sent, by name."""
    formats = [call.body["response_format"]["json_schema"] for call in model.calls]
    return {each["name"]: each["schema"] for each in formats}


async def test_a_server_sees_plan_and_summary_before_any_request(
    service: Service, tmp_path: Path, model: ScriptedModel
) -> None:
    async with executor(service, tmp_path, model) as process:
        inference = await warmed(process)
    assert inference["prompts"] == [load_prompt(name).key for name in ("plan", "summary")]
    seen = schemas_seen(model)
    assert list(seen) == ["plan", "summary"]
    tools = seen["plan"]["properties"]["steps"]["items"]["properties"]["tool"]["enum"]
    assert tools == list(reading_tools(packaged_catalogue()))


async def test_what_is_switched_off_is_not_shown(service: Service, tmp_path: Path, model: ScriptedModel) -> None:
    async with executor(service, tmp_path / "one", model, OPSWIRE_MODEL_SUMMARIES="off") as process:
        assert (await warmed(process))["prompts"] == [load_prompt("plan").key]
    assert list(schemas_seen(model)) == ["plan"]
    off = {"OPSWIRE_MODEL_SUMMARIES": "off", "OPSWIRE_MODEL_PLANS": "off"}
    async with executor(service, tmp_path / "two", model, **off) as process:
        assert "inference" not in await shown(process)
    assert len(model.calls) == 1


def shape_of(schema: Any) -> Any:
    """The schema without the values of its enums."""
    if isinstance(schema, dict):
        return {key: shape_of(value) for key, value in schema.items() if key != "enum"}
    return [shape_of(each) for each in schema] if isinstance(schema, list) else schema


def test_what_is_shown_has_the_shape_of_what_is_asked() -> None:
    """A server keeps what it made of the parts; a part that is shown differently is made anew in a request's time."""
    context, catalogue = shop(), packaged_catalogue()
    asked = proposal_schema(context, offer_of(context, catalogue), catalogue)
    assert shape_of(warming_schema(catalogue).json_schema) == shape_of(asked.json_schema)
    (shown_summary,) = SummariseByModel(None, lambda: True).schemas  # type: ignore[arg-type]  # nobody is asked
    for steps, following in (([1], 0), ([1, 2, 3], 1), (list(range(1, 9)), 4)):
        summary = summary_schema(steps, following)
        assert (summary.name, shape_of(summary.json_schema)) == (
            shown_summary.name,
            shape_of(shown_summary.json_schema),
        )
