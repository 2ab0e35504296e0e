"""Batches without a provider's batch interface, the file's lines, the choice of the way, and what was saved."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.inference.batch.anthropic_batches import AnthropicBatches, message_params
from opswire.chassis.inference.batch.calls import SingleCalls
from opswire.chassis.inference.batch.choice import transport_for
from opswire.chassis.inference.batch.items import BatchItem, Failure
from opswire.chassis.inference.batch.lines import chat_body, read_lines, to_lines
from opswire.chassis.inference.batch.openai_batches import OpenAiBatches
from opswire.chassis.inference.batch.runner import ProgramBatches
from opswire.chassis.inference.batch.running import run_batch
from opswire.chassis.inference.batch.transport import Waiting
from opswire.chassis.inference.call import InferenceCall, Lane, Message, OutputSchema, Reply, Usage
from opswire.chassis.inference.cost import cost_usd
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceRefusedError, InferenceUnavailableError, ReplyCutError
from opswire.chassis.inference.savings import saved_usd

FAST = Waiting(first_s=0.001, most_s=0.002, errors_max=5)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def endpoint(provider: str = "vllm", **settings: Any) -> Endpoint:
    return Endpoint(name="one", provider=provider, base_url="http://127.0.0.1:9/v1", model="some-model", **settings)


def items(count: int, schema: dict[str, Any] | None = None) -> list[BatchItem]:
    return [
        BatchItem(f"q-{number}", (Message("user", f"question {number}"),), 32, json_schema=schema)
        for number in range(count)
    ]


class InterruptedRunError(Exception):
    """Ends a run in its middle, as a kill would."""


class Client:
    """Answers as scripted, and counts how many calls ran at once."""

    def __init__(self, failures: dict[str, list[Exception]] | None = None) -> None:
        self.failures = failures or {}
        self.asked: Counter[str] = Counter()
        self.calls: list[InferenceCall] = []
        self.running = self.running_max = 0
        self.stop_after = 10_000

    async def complete(self, call: InferenceCall) -> Reply[str]:
        return await self.decide(call, OutputSchema("text", {}, bytes.decode))

    async def decide(self, call: InferenceCall, schema: OutputSchema[Any]) -> Reply[Any]:
        self.calls.append(call)
        text = call.messages[-1].content
        self.asked[text] += 1
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            await asyncio.sleep(0)
            if sum(self.asked.values()) > self.stop_after:
                raise InterruptedRunError
            if self.failures.get(text):
                raise self.failures[text].pop(0)
        finally:
            self.running -= 1
        return Reply(text, f"answer to {text}", Usage(10, 2), 0.0, "one", "vllm", "some-model", "stop", None)


async def test_single_calls_are_bulk_and_bounded(tmp_path: Path) -> None:
    client = Client()
    found = await run_batch(items(40), SingleCalls(client, "one", "eval.intents", 7), tmp_path / "s", waiting=FAST)
    assert [result.text for result in found.values()] == [f"answer to question {number}" for number in range(40)]
    assert {call.lane for call in client.calls} == {Lane.BULK}
    assert {call.operation for call in client.calls} == {"eval.intents"}
    assert client.running_max == 7


async def test_single_calls_that_fail_go_again_alone(tmp_path: Path) -> None:
    away, wrong = InferenceUnavailableError("away"), InferenceRefusedError("no such parameter")
    cut = [ReplyCutError("cut"), ReplyCutError("cut"), ReplyCutError("cut")]
    client = Client({"question 0": [away], "question 1": [wrong], "question 2": list(cut)})
    found = await run_batch(items(4), SingleCalls(client, "one", "x"), tmp_path / "s", waiting=FAST)
    assert client.asked == {"question 0": 2, "question 1": 1, "question 2": 3, "question 3": 1}
    assert (found["q-0"].failure, found["q-0"].attempts) == (None, 2)
    assert [found[key].failure for key in ("q-1", "q-2")] == [Failure.REFUSED, Failure.BROKEN]


async def test_a_wrong_key_ends_the_batch_at_once(tmp_path: Path) -> None:
    client = Client({"question 0": [InferenceRefusedError("check its API key", "credentials")]})
    with pytest.raises(InferenceRefusedError, match="API key"):
        await run_batch(items(9), SingleCalls(client, "one", "x", 1), tmp_path / "s", waiting=FAST)
    assert sum(client.asked.values()) == 1


async def test_single_calls_go_on_after_an_interruption(tmp_path: Path) -> None:
    """Those without a result on disk are asked again: at most as many as ran at once."""
    first = Client()
    first.stop_after = 25
    work = run_batch(items(60), SingleCalls(first, "one", "x", 5), tmp_path / "s", waiting=FAST)
    with pytest.raises(InterruptedRunError):
        await work
    second = Client()
    found = await run_batch(items(60), SingleCalls(second, "one", "x", 5), tmp_path / "s", waiting=FAST)
    assert len(found) == 60
    assert all(result.is_answered and result.attempts == 1 for result in found.values())
    assert sum(second.asked.values()) <= 60 - 25 + 5


PROGRAM = """
import json, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
lines = [json.loads(line) for line in open(options["-i"])]
with open(options["-o"], "w") as out:
    for line in lines:
        message = {"role": "assistant", "content": f"{options['--model']}: {line['body']['messages'][-1]['content']}"}
        body = {"model": options["--model"], "choices": [{"finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
        response = {"status_code": 200, "request_id": "r", "body": body}
        print(json.dumps({"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}), file=out)
"""


async def test_a_program_beside_the_server_runs_the_lines(tmp_path: Path) -> None:
    transport = ProgramBatches(endpoint(), tmp_path / "runs", program=("-c", PROGRAM))
    found = await run_batch(items(5), transport, tmp_path / "s", waiting=FAST)
    assert found["q-4"].text == "some-model: question 4"
    assert found["q-4"].usage == Usage(7, 3)


async def test_a_running_program_is_found_again_and_not_started_twice(tmp_path: Path) -> None:
    """The first run is given up before its program has ended; the program waits for a file that comes later."""
    gate, started = tmp_path / "gate", tmp_path / "started"
    waits = (
        f"import os, time\nopen({str(started)!r}, 'a').write('x')\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    )
    first = ProgramBatches(endpoint(), tmp_path / "runs", program=("-c", waits + PROGRAM))
    impatient = Waiting(first_s=0.001, most_s=0.001, patience_s=0)
    with pytest.raises(InferenceUnavailableError, match="goes on with it later"):
        await run_batch(items(3), first, tmp_path / "s", waiting=impatient)
    state = json.loads((tmp_path / "s").read_text())
    state["parts"][0]["batch_id"] = None  # as if it had been killed before the id was on the disk
    (tmp_path / "s").write_text(json.dumps(state))
    gate.touch()
    second = ProgramBatches(endpoint(), tmp_path / "runs", program=("-c", waits + PROGRAM))
    found = await run_batch(items(3), second, tmp_path / "s", waiting=FAST)
    assert found["q-2"].text == "some-model: question 2"
    assert started.read_text() == "x"


async def test_a_program_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    transport = ProgramBatches(endpoint(), tmp_path / "runs", program=("-c", "raise SystemExit('no such model')"))
    with pytest.raises(InferenceRefusedError, match="no such model"):
        await run_batch(items(1), transport, tmp_path / "s", waiting=FAST)
    missing = ProgramBatches(endpoint(), tmp_path / "runs", python=tmp_path / "nowhere")
    with pytest.raises(InferenceRefusedError, match="cannot be started"):
        await run_batch(items(1), missing, tmp_path / "t", waiting=FAST)


def test_the_line_of_an_item() -> None:
    item = BatchItem("q-1", (Message("user", "is web-01 up?"),), 64, 0.5, "intent", SCHEMA)
    line = json.loads(to_lines([item], endpoint()))
    assert (line["custom_id"], line["method"], line["url"]) == ("q-1", "POST", "/v1/chat/completions")
    assert line["body"]["response_format"]["json_schema"] == {"name": "intent", "strict": True, "schema": SCHEMA}
    assert (line["body"]["max_tokens"], line["body"]["temperature"]) == (64, 0.5)
    assert "max_completion_tokens" in chat_body(item, endpoint("openai"))


def test_lines_that_cannot_be_read_are_left_out() -> None:
    content = (
        b'\n{"custom_id": "a", "response": {"status_code": 200, "body": {"choices": []}}}\n[1]\nnonsense\n{"x":1}\n'
    )
    found = list(read_lines(content))
    assert [(result.custom_id, result.failure) for result in found] == [("a", Failure.BROKEN)]


@pytest.mark.parametrize(("status", "failure"), [(400, Failure.REFUSED), (429, Failure.BROKEN), (500, Failure.BROKEN)])
def test_what_a_status_in_a_line_means(status: int, failure: Failure) -> None:
    line = {"custom_id": "a", "response": {"status_code": status, "body": {"error": {"message": "no  way"}}}}
    found = next(read_lines(json.dumps(line).encode()))
    assert (found.failure, found.text, found.detail) == (failure, None, "no way")


def test_the_reason_in_a_line_of_vllms_runner_is_read() -> None:
    """As vLLM 0.32's `run_batch` wrote it."""
    said = {"message": "This model's maximum context length is 2048 tokens.", "type": "BadRequestError", "code": 400}
    response = {"status_code": 400, "request_id": "vllm-batch-97e27419a2569656", "body": None}
    line = {"id": "vllm-8ace", "custom_id": "too-long", "response": response, "error": {"error": said}}
    (found,) = read_lines(json.dumps(line).encode())
    assert (found.failure, found.detail) == (Failure.REFUSED, said["message"])


def test_the_provider_decides_the_way() -> None:
    client = Client()
    assert isinstance(transport_for(endpoint("openai"), client, "x"), OpenAiBatches)
    assert isinstance(transport_for(endpoint("groq"), client, "x"), OpenAiBatches)
    assert isinstance(transport_for(endpoint("anthropic"), client, "x"), AnthropicBatches)
    for provider in ("vllm", "ollama", "cohere", "never-heard-of"):
        assert isinstance(transport_for(endpoint(provider), client, "x"), SingleCalls)


def test_only_a_prefix_that_can_be_kept_is_marked() -> None:
    def marks(characters: int) -> list[bool]:
        messages = (Message("system", "x" * characters, is_stable=True), Message("user", "is web-01 up?"))
        params = message_params(BatchItem("a", messages, 9), endpoint("anthropic"))
        blocks = [*params["system"], *params["messages"][0]["content"]]
        return ["cache_control" in block for block in blocks]

    assert marks(500) == [False, False]
    assert marks(4_000) == [True, False]


def test_batches_and_the_client_do_not_load_an_sdk_before_they_are_used() -> None:
    import subprocess

    program = (
        "import sys\nfrom opswire.chassis.inference.batch.choice import transport_for\n"
        "from opswire.chassis.inference.configuration import load_configuration\n"
        "print(sorted({'openai', 'anthropic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


PRICES = {
    "input_usd_per_million_tokens": 5.0,
    "output_usd_per_million_tokens": 25.0,
    "cached_input_usd_per_million_tokens": 0.5,
    "cache_write_usd_per_million_tokens": 6.25,
}


def test_savings_come_from_the_usage() -> None:
    """2,000,000 in, half of it from the cache, 1,000,000 out: 35 dollars in full."""
    usage = Usage(2_000_000, 1_000_000, cached_input_tokens=1_000_000)
    alone = saved_usd(usage, endpoint("anthropic", **PRICES))
    assert alone is not None
    assert (alone.by_cache_usd, alone.by_batch_usd) == (4.5, 0.0)
    both = saved_usd(usage, endpoint("anthropic", **PRICES), is_batch=True)
    assert both is not None
    assert both.total_usd == pytest.approx(35.0 - (5.0 + 0.5 + 25.0) / 2)
    vertex = saved_usd(usage, endpoint("vertex_ai", **PRICES), is_batch=True)
    assert vertex is not None
    assert vertex.total_usd == pytest.approx(35.0 - (0.5 + (5.0 + 25.0) / 2)), "its two discounts do not stack"


def test_a_cache_that_is_only_written_costs_more() -> None:
    found = saved_usd(Usage(1_000_000, 0, cache_write_tokens=1_000_000), endpoint("anthropic", **PRICES))
    assert found is not None
    assert found.total_usd == pytest.approx(-1.25)


def test_a_server_of_ones_own_costs_nothing_where_its_prices_say_so_and_is_unknown_where_they_do_not() -> None:
    free = dict.fromkeys(("input_usd_per_million_tokens", "output_usd_per_million_tokens"), 0.0)
    assert cost_usd(endpoint("vllm", **free), Usage(10, 10)) == 0.0
    assert cost_usd(endpoint("vllm"), Usage(10, 10)) is None


def test_savings_are_not_guessed() -> None:
    assert saved_usd(Usage(10, 10), endpoint("openai")) is None
    partly = endpoint("openai", input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=2.0)
    assert saved_usd(Usage(10, 10, cached_input_tokens=5), partly) is None
