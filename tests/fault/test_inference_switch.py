"""The model server is changed in the configuration file while requests come in: none is lost, nothing is restarted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from checker import error_lines
from model_system import GOOD, GRACE_S, foreign_words, outcomes_of
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import wait_until

AT_ONCE = 10
DEADLINE_S = 30.0


def write(file: Path, name: str, model: ScriptedModel) -> None:
    """Name one model server, in one step: nobody reads half a file."""
    endpoint = {"provider": "vllm", "base_url": model.url, "model": name}
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps({"endpoints": {name: endpoint}, "default": {"chain": [name]}}))  # JSON is YAML
    beside.replace(file)


def wait_shown(system: System, text: str) -> None:
    """Until the intent service's health page holds a text. Raises TimeoutError."""
    wait_until(lambda: text in json.dumps(system.health("intent")), lambda: f"not shown: {text}", DEADLINE_S)


def test_switching_the_model_server_under_load_loses_no_request(tmp_path: Path) -> None:
    file = tmp_path / "inference.yaml"
    settings = {"OPSWIRE_INFERENCE_FILE": str(file), "OPSWIRE_CACHE": "off", "LLM_PROVIDER": "", "LLM_BASE_URL": ""}
    with ScriptedModel(GOOD) as first, ScriptedModel(GOOD) as second:
        write(file, "first", first)
        with System(tmp_path, settings) as system:
            pids = system.pids()
            statuses, counts = asyncio.run(_under_load(system, file, first, second))
            assert set(statuses) == {"completed"}
            assert set(counts) == {1}
            shown = json.dumps(system.health("intent"))
            assert second.url in shown
            assert first.url not in shown
            assert system.pids() == pids
            assert error_lines(system.log_lines(), ()) == []


async def _under_load(
    system: System, file: Path, first: ScriptedModel, second: ScriptedModel
) -> tuple[list[str], list[int]]:
    """Ask all the while: until the first server knows the load, then until the second one does.

    Answers the status of every outcome that came, and how many outcomes the stream holds for each request.
    """
    async with Upstream(system.nats.url) as upstream:
        statuses = await _asked_all_the_while(system, upstream, file, first, second)
        return statuses, list((await outcomes_of(upstream)).values())


async def _asked_all_the_while(
    system: System, upstream: Upstream, file: Path, first: ScriptedModel, second: ScriptedModel
) -> list[str]:
    statuses: list[str] = []
    is_over = asyncio.Event()

    async def asking() -> None:
        while not is_over.is_set():
            request_id = await upstream.submit(foreign_words(), deadline_ms=int(DEADLINE_S * 1_000))
            statuses.append((await upstream.outcome(request_id, DEADLINE_S + GRACE_S))["status"])

    # In a group: a request that finds no outcome ends the test at once, and says so.
    async with asyncio.TaskGroup() as askers:
        for _ in range(AT_ONCE):
            askers.create_task(asking())
        await first.calls_come(5 * AT_ONCE, DEADLINE_S)
        write(file, "second", second)
        await second.calls_come(5 * AT_ONCE, DEADLINE_S)
        # A file that is broken changes nothing: what worked goes on.
        file.write_text("endpoints: [")
        await asyncio.to_thread(wait_shown, system, "this is no YAML")
        await second.calls_come(len(second.calls) + 5 * AT_ONCE, DEADLINE_S)
        is_over.set()
    return statuses
