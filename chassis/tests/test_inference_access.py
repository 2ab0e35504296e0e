"""A service's access to its model servers: what opens it, what it shows, and that servers are warm in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from inference_scene import GOOD, NUMBER_SCHEMA
from opswire.chassis.inference.access import ModelAccess
from opswire.chassis.inference.configuration import WatchedConfiguration
from opswire.chassis.inference.errors import InferenceSettingsError
from opswire.chassis.inference.priority import BULK_CALLS
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.waiting import until

VLLM = {"LLM_PROVIDER": "vllm", "LLM_BASE_URL": "http://127.0.0.1:9/v1", "LLM_MODEL": "small"}


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A model server that answers and tells how long calls waited."""
    timing = {"queue_time_ms": 0.0, "time_to_first_token_ms": 1.0, "generation_time_ms": 1.0}
    with ScriptedModel(Answer("x", timing=timing)) as running:
        yield running


@asynccontextmanager
async def kept_warm(
    file: Path, schemas: Sequence[object] = (NUMBER_SCHEMA,), learns_lanes: bool = True
) -> AsyncIterator[ModelAccess]:
    """An access as an executor has it, while its servers are kept warm."""
    access = ModelAccess.open("executor", file, {}, Metrics())
    assert access is not None
    warming = asyncio.create_task(access.keep_warm(lambda: schemas, learns_lanes))  # type: ignore[arg-type, return-value]
    try:
        yield access
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        await access.client.close()


def named(file: Path, model: ScriptedModel) -> Path:
    """A configuration file with this server."""
    file.write_text(
        f"endpoints:\n  one: {{provider: vllm, base_url: '{model.url}', model: scripted}}\ndefault: {{chain: [one]}}\n"
    )
    return file


def test_a_file_that_is_not_there_yet_may_come_later_and_a_broken_one_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "inference.yaml"
    access = ModelAccess.open("executor", file, {}, Metrics())
    assert access is not None
    assert not access.is_there()
    assert access.identity() is None
    assert (access.state()["chain"], access.state()["is_warm"]) == ([], False)
    assert ModelAccess.open("executor", None, {}, Metrics()) is None
    assert ModelAccess.open("intent", None, {"LLM_TEMPERATURE": ""}, Metrics()) is None
    file.write_text("endpoints:\n  one: {provider: vllm, temperature: 9}\n")
    with pytest.raises(InferenceSettingsError, match=r"inference\.yaml"):
        ModelAccess.open("executor", file, {}, Metrics())


def test_the_identity_is_of_the_first_endpoint_and_changes_with_its_model() -> None:
    def identity(**changes: str) -> tuple[str, str] | None:
        return ModelAccess("intent", WatchedConfiguration("intent", None, VLLM | changes), Metrics()).identity()

    first = identity()
    assert first is not None
    assert first[1] == "vllm/small"
    assert identity(LLM_MODEL="large") != first
    fallback = {"LLM_FALLBACK_PROVIDER": "vllm", "LLM_FALLBACK_BASE_URL": "http://127.0.0.1:8/v1"}
    assert identity(**fallback, LLM_FALLBACK_MODEL="other") == first


def test_each_service_is_given_its_own_servers(tmp_path: Path) -> None:
    file = tmp_path / "inference.yaml"
    one = "{provider: vllm, base_url: 'http://127.0.0.1:9/v1', model: %s}"
    file.write_text(
        f"endpoints:\n  small: {one % 'small'}\n  large: {one % 'large'}\n"
        "default: {chain: [small]}\nservices: {executor: {chain: [large]}}\n"
    )
    found = [ModelAccess.open(service, file, {}, Metrics()) for service in ("intent", "executor")]
    assert [access.identity() for access in found if access] == [("small", "vllm/small"), ("large", "vllm/large")]


async def test_a_server_sees_every_schema_once_before_anybody_asks(tmp_path: Path, model: ScriptedModel) -> None:
    async with kept_warm(named(tmp_path / "inference.yaml", model), [NUMBER_SCHEMA], learns_lanes=False) as access:
        await until(lambda: bool(access.state()["is_warm"]))
        (call,) = model.calls
        assert call.body["response_format"]["json_schema"]["schema"] == NUMBER_SCHEMA.json_schema
        assert access.state()["chain"][0]["priority"] == "unknown", "nobody asked whether lanes are heeded"


async def test_who_has_a_bulk_lane_asks_whether_it_is_heeded(tmp_path: Path, model: ScriptedModel) -> None:
    async with kept_warm(named(tmp_path / "inference.yaml", model)) as access:
        await until(lambda: bool(access.state()["is_warm"]))
        assert len(model.calls) > BULK_CALLS


async def test_another_configuration_is_warmed_anew(
    tmp_path: Path, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opswire.chassis.inference.access.WARMTH_CHECKED_EVERY_S", 0.01)
    file = named(tmp_path / "inference.yaml", model)
    with ScriptedModel(GOOD) as second:
        async with kept_warm(file, learns_lanes=False) as access:
            await until(lambda: bool(access.state()["is_warm"]))
            beside = named(file.with_suffix(".new"), second)
            beside.replace(file)
            await until(lambda: len(second.calls) == 1)
            await until(lambda: bool(access.state()["is_warm"]))
    assert len(model.calls) == 1
