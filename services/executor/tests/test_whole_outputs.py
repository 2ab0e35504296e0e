"""What a tool says beyond what a message holds, on a real broker: kept whole, named by its digest, read back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from change_scene import CHANGE, Scene, change, rows_of
from opswire.chassis.service import Service
from opswire.cli.errors import CommandError, NotFoundError
from opswire.cli.outputs import read_output
from opswire.contracts.routes import OUTPUTS
from opswire.executor.rules.tools import ToolResult

LINES = [{"line": number, "text": f"{number} " + "x" * 500} for number in range(1_000)]


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


async def said(scene: Scene, make_context, make_asset, records):
    """The key and the outcome of a change whose tool said this."""

    async def tool(call):
        del call
        return ToolResult(tuple(records))

    scene.tools[CHANGE] = tool
    box = make_asset("box", environment="development")
    key = await scene.request(make_context("command.run", assets=[box]), change(1, box, "say"))
    return key, await scene.go_on(key)


async def test_an_output_that_no_message_holds_is_kept_whole(scene: Scene, make_context, make_asset) -> None:
    key, outcome = await said(scene, make_context, make_asset, LINES)
    assert outcome.status == "completed"
    kept = (await scene.story(key)).outcomes[1]
    assert 0 < len(kept.rows) <= 100
    assert rows_of(outcome)[0]["whole_output"] == kept.output_reference
    url = scene.service.settings.nats_url
    body = await read_output(url, key.source, key.request_id, 1)
    assert [json.loads(line) for line in body.splitlines()] == LINES
    assert kept.output_reference == (
        f"{key.source}/{key.request_id}/1 {len(body)} bytes sha256:{hashlib.sha256(body).hexdigest()}"
    )
    store = await scene.service.bus.client.jetstream().object_store(OUTPUTS)
    await store.put(f"{key.source}/{key.request_id}/1", b"something else")
    with pytest.raises(CommandError, match="digest differs"):
        await read_output(url, key.source, key.request_id, 1)


async def test_an_output_that_fits_is_in_the_outcome_alone(scene: Scene, make_context, make_asset) -> None:
    key, _ = await said(scene, make_context, make_asset, LINES[:3])
    assert (await scene.story(key)).outcomes[1].output_reference is None
    with pytest.raises(NotFoundError, match="no output beyond its outcome"):
        await read_output(scene.service.settings.nats_url, key.source, key.request_id, 1)


async def test_a_store_that_is_not_there_costs_no_outcome(scene: Scene, make_context, make_asset) -> None:
    await scene.service.bus.client.jetstream().delete_object_store(OUTPUTS)
    key, outcome = await said(scene, make_context, make_asset, LINES)
    assert outcome.status == "completed"
    assert (await scene.story(key)).outcomes[1].output_reference is None
