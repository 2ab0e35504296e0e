"""Many calls for later, on the real server: its batch runner, its batch endpoint, single calls in the bulk lane."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmServer
from opswire.chassis.inference.batch.calls import SingleCalls
from opswire.chassis.inference.batch.items import BatchItem
from opswire.chassis.inference.batch.runner import ProgramBatches
from opswire.chassis.inference.batch.running import run_batch
from opswire.chassis.inference.batch.transport import Waiting
from opswire.chassis.inference.call import Message
from vllm_scene import ACTIONS, actions, client_of, endpoint_of

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]
OFTEN = Waiting(first_s=0.05, most_s=0.2, patience_s=300)


def items(count: int) -> list[BatchItem]:
    """Questions with bound replies."""
    schema = actions(most=4)
    return [
        BatchItem(f"q-{number}", (Message("user", f"request {number}"),), 100, 0.0, schema.name, schema.json_schema)
        for number in range(count)
    ]


async def test_the_servers_own_batch_runner_answers_our_file(
    vllm: VllmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in vllm.environment().items():
        monkeypatch.setenv(name, value)
    endpoint = endpoint_of(vllm, model=str(vllm.installation.model))
    quiet = ["--config", str(vllm.installation.shared_flags), "--enforce-eager", "--dtype", "bfloat16"]
    limits = ["--max-model-len", "2048", "--host", "127.0.0.1"]
    transport = ProgramBatches(endpoint, tmp_path / "batch", vllm.installation.python, [*quiet, *limits])
    found = await run_batch(items(5), transport, tmp_path / "state.json", waiting=OFTEN)
    assert list(found) == [f"q-{number}" for number in range(5)]
    assert all(result.is_answered for result in found.values()), found
    for result in found.values():
        assert set(json.loads(result.text or "")["actions"]) <= set(ACTIONS)
        assert result.usage.output_tokens > 0


async def test_single_calls_in_the_bulk_lane_answer_the_same_items(vllm: VllmServer, tmp_path: Path) -> None:
    async with client_of(endpoint_of(vllm)) as client:
        transport = SingleCalls(client, "vllm", "test.batch", concurrency=4)
        found = await run_batch(items(12), transport, tmp_path / "state.json", waiting=OFTEN)
    assert len(found) == 12
    assert all(result.is_answered and result.attempts == 1 for result in found.values()), found


def test_the_batch_endpoint_takes_several_conversations_in_one_call(vllm: VllmServer) -> None:
    conversations = [[{"role": "user", "content": f"request {number}"}] for number in range(3)]
    body = {"model": SERVED_NAME, "messages": conversations, "max_tokens": 6}
    request = urllib.request.Request(
        f"{vllm.url}/chat/completions/batch", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
    assert found["usage"]["completion_tokens"] == 18
    assert found["metrics"] is None, "times come with single calls only: the batch endpoint is not for what is traced"
