"""Batches end to end against a fake of the providers' interfaces: partial failures, kills, rate limits."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.inference.batch.anthropic_batches import AnthropicBatches
from opswire.chassis.inference.batch.items import BatchItem, BatchProgress, Failure
from opswire.chassis.inference.batch.openai_batches import OpenAiBatches
from opswire.chassis.inference.batch.running import run_batch
from opswire.chassis.inference.batch.state import BatchState, BatchStateError
from opswire.chassis.inference.batch.transport import BatchTransport, Waiting
from opswire.chassis.inference.call import Message, Usage
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceTimeoutError, InferenceUnavailableError
from opswire.chassis.testing.scripted_batches import BatchScript, FakeBatch, Fate, ScriptedBatches

FAST = Waiting(first_s=0.001, most_s=0.002, errors_max=5)
KINDS = ("openai", "anthropic")


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedBatches]:
    """The fake."""
    async with ScriptedBatches() as server:
        yield server


def items(count: int = 4) -> list[BatchItem]:
    stable = Message("system", "Say what is asked.", is_stable=True)
    return [BatchItem(f"q-{number}", (stable, Message("user", f"question {number}")), 32) for number in range(count)]


def transport_to(kind: str, server: ScriptedBatches) -> BatchTransport:
    endpoint = Endpoint(name="hosted", provider=kind, base_url=server.url, model="some-model")
    return OpenAiBatches(endpoint) if kind == "openai" else AnthropicBatches(endpoint, look_again_s=0.001)


async def run(
    kind: str, server: ScriptedBatches, folder: Path, asked: Sequence[BatchItem], waiting: Waiting = FAST
) -> dict[str, str | None]:
    transport = transport_to(kind, server)
    try:
        found = await run_batch(asked, transport, folder / "state.json", waiting=waiting)
    finally:
        await transport.close()
    return {custom_id: result.text for custom_id, result in found.items()}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_item_is_answered_under_its_own_id(kind: str, provider: ScriptedBatches, tmp_path: Path) -> None:
    provider.scripts.append(BatchScript(polls=3))
    seen: list[BatchProgress] = []
    transport = transport_to(kind, provider)
    found = await run_batch(items(), transport, tmp_path / "state.json", seen.append, FAST)
    await transport.close()
    assert [(key, result.text) for key, result in found.items()] == [
        (f"q-{number}", f"answer to question {number}") for number in range(4)
    ]
    assert {result.usage for result in found.values()} == {Usage(100, 5, 64, 0)}
    assert {result.finish_reason for result in found.values()} == {"stop"}
    assert {"submitting", "waiting", "collecting", "done"} == {one.state for one in seen}
    assert (seen[-1].answered, seen[-1].failed, seen[-1].total, seen[-1].round) == (4, 0, 4, 1)
    assert len(provider.batches) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_what_failed_goes_again_alone_and_at_most_three_times(
    kind: str, provider: ScriptedBatches, tmp_path: Path
) -> None:
    provider.scripts += [
        BatchScript(fates={0: Fate.EXPIRED, 1: Fate.REFUSED, 2: Fate.LOST, 3: Fate.FAILED, 4: Fate.GARBAGE}),
        BatchScript(fates={0: Fate.FAILED}),
        BatchScript(fates={0: Fate.FAILED}),
    ]
    transport = transport_to(kind, provider)
    found = await run_batch(items(6), transport, tmp_path / "state.json", waiting=FAST)
    await transport.close()
    assert [len(batch.lines) for batch in provider.batches] == [6, 4, 1]
    assert {key: (result.failure, result.attempts) for key, result in found.items()} == {
        "q-0": (Failure.BROKEN, 3),
        "q-1": (Failure.REFUSED, 1),
        "q-2": (None, 2),
        "q-3": (None, 2),
        "q-4": (None, 2),
        "q-5": (None, 1),
    }
    assert "scripted refused" in found["q-1"].detail


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_item_is_not_sent_again(kind: str, provider: ScriptedBatches, tmp_path: Path) -> None:
    provider.scripts.append(BatchScript(fates={1: Fate.CANCELLED}))
    transport = transport_to(kind, provider)
    found = await run_batch(items(2), transport, tmp_path / "state.json", waiting=FAST)
    await transport.close()
    assert found["q-1"].failure is Failure.CANCELLED
    assert len(provider.batches) == 1


async def test_a_batch_that_fails_as_a_whole_says_which_lines_are_wrong(
    provider: ScriptedBatches, tmp_path: Path
) -> None:
    provider.scripts.append(BatchScript(fails_as_a_whole=True, fates={1: Fate.REFUSED}))
    transport = transport_to("openai", provider)
    found = await run_batch(items(3), transport, tmp_path / "state.json", waiting=FAST)
    await transport.close()
    assert (found["q-1"].failure, found["q-1"].detail) == (Failure.REFUSED, "bad line")
    assert found["q-0"].text == "answer to question 0"
    assert [len(batch.lines) for batch in provider.batches] == [3, 2]


@pytest.mark.parametrize("kind", KINDS)
async def test_rate_limits_and_faults_while_polling_are_waited_out(
    kind: str, provider: ScriptedBatches, tmp_path: Path
) -> None:
    waits: list[float] = []

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    provider.scripts.append(BatchScript(polls=8, poll_errors=[429, 500, 503, 429], retry_after_s=9))
    waiting = Waiting(first_s=1.0, most_s=4.0, growth=2.0, sleep=noted)
    found = await run(kind, provider, tmp_path, items(2), waiting)
    assert set(found.values()) == {"answer to question 0", "answer to question 1"}
    errors, polls = waits[:4], waits[4:]
    assert (errors[0], errors[3]) == (9, 9), "the provider said when to come back"
    assert 1 <= errors[1] <= 2 <= errors[2] <= 4
    assert all(low <= wait <= high for wait, low, high in zip(polls[:3], (0.5, 1, 2), (1, 2, 4), strict=True))
    assert max(polls) <= 4.0
    assert len(set(polls)) > 4, "without chance all clients ask at the same moment"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_doubtful_submission_is_looked_for_before_anything_is_sent_again(
    kind: str, provider: ScriptedBatches, tmp_path: Path
) -> None:
    """The batch was made, and the answer was an error of the server in front of it. Others' batches lie beside it."""
    (tmp_path / "others").mkdir()
    await run(kind, provider, tmp_path / "others", items(3))
    provider.batches.append(FakeBatch("unended", [{}] * 5, BatchScript(polls=10**9), {}, time.time()))
    provider.scripts.append(BatchScript(submission_status=502))
    async with asyncio.timeout(30):
        found = await run(kind, provider, tmp_path, items(3))
    assert found["q-2"] == "answer to question 2"
    assert len(provider.batches) == 3


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_inference_batch as test
class Server:
    url = sys.argv[2]
async def main():
    transport = test.transport_to(sys.argv[4], Server)
    await test.run_batch(test.items(), transport, Path(sys.argv[1]), waiting=test.Waiting(first_s=0.01, most_s=0.01))
asyncio.run(main())
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["submitting", "waiting"])
async def test_a_killed_run_goes_on_and_sends_nothing_twice(
    kind: str, moment: str, provider: ScriptedBatches, tmp_path: Path
) -> None:
    """kill -9 right after the provider made the batch, before its answer came; and while the batch was waited for."""
    provider.scripts.append(BatchScript(polls=10_000, answers_submission=moment != "submitting"))
    arguments = [str(tmp_path / "state.json"), provider.url, str(Path(__file__).parent), kind]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, *arguments)
    async with asyncio.timeout(60):
        await provider.made.wait()
        if moment == "waiting":
            await provider.polled.wait()
    process.kill()
    await process.wait()
    provider.batches[0].script.polls = provider.batches[0].polled + 1
    found = await run(kind, provider, tmp_path, items())
    assert found == {f"q-{number}": f"answer to question {number}" for number in range(4)}
    assert len(provider.batches) == 1


async def test_a_finished_batch_is_read_from_the_disk(provider: ScriptedBatches, tmp_path: Path) -> None:
    first = await run("openai", provider, tmp_path, items())
    provider.batches.clear()
    assert await run("openai", provider, tmp_path, items()) == first
    assert provider.batches == []
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0


async def test_a_result_line_that_a_kill_cut_is_collected_again(provider: ScriptedBatches, tmp_path: Path) -> None:
    await run("openai", provider, tmp_path, items())
    results = tmp_path / "state.json.results.jsonl"
    results.write_bytes(results.read_bytes()[:-7])
    state = json.loads((tmp_path / "state.json").read_text())
    state["parts"][0]["is_collected"] = False
    (tmp_path / "state.json").write_text(json.dumps(state))
    found = await run("openai", provider, tmp_path, items())
    assert len(found) == 4
    assert all(found.values())
    assert len(provider.batches) == 1
    assert all(json.loads(line)["label"] for line in results.read_text().splitlines())


async def test_a_state_file_belongs_to_its_items_and_to_one_process(provider: ScriptedBatches, tmp_path: Path) -> None:
    await run("openai", provider, tmp_path, items())
    with pytest.raises(BatchStateError, match="belongs to another batch"):
        await run("openai", provider, tmp_path, items(5))
    with pytest.raises(BatchStateError, match="belongs to another batch"):
        await run("anthropic", provider, tmp_path, items())
    with BatchState(tmp_path / "other.json", "x"), pytest.raises(BatchStateError, match="another process"):
        BatchState(tmp_path / "other.json", "x").__enter__()


async def test_a_batch_that_does_not_end_in_time_is_left_for_later(provider: ScriptedBatches, tmp_path: Path) -> None:
    provider.scripts.append(BatchScript(polls=5))
    with pytest.raises(InferenceTimeoutError, match="goes on with it later"):
        await run("openai", provider, tmp_path, items(), Waiting(first_s=0.001, most_s=0.001, patience_s=0))
    assert len(await run("openai", provider, tmp_path, items())) == 4
    assert len(provider.batches) == 1


async def test_a_batch_that_the_provider_forgot_is_sent_again(provider: ScriptedBatches, tmp_path: Path) -> None:
    provider.scripts.append(BatchScript(polls=1_000))
    with pytest.raises(InferenceTimeoutError):
        await run("openai", provider, tmp_path, items(), Waiting(first_s=0.001, most_s=0.001, patience_s=0))
    provider.batches.clear()
    found = await run("openai", provider, tmp_path, items())
    assert found["q-0"] == "answer to question 0"
    assert len(provider.batches) == 1


async def test_a_provider_that_stays_away_ends_the_run_and_not_the_batch(tmp_path: Path) -> None:
    endpoint = Endpoint(name="gone", provider="openai", base_url=f"http://127.0.0.1:{free_port()}/v1", model="m")
    transport = OpenAiBatches(endpoint)
    with pytest.raises(InferenceUnavailableError, match="gone"):
        await run_batch(items(), transport, tmp_path / "state.json", waiting=FAST)
    await transport.close()
    assert json.loads((tmp_path / "state.json").read_text())["parts"][0]["batch_id"] is None


async def test_more_items_than_a_batch_takes_are_sent_as_several(
    provider: ScriptedBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAiBatches, "items_max", 3)
    found = await run("openai", provider, tmp_path, items(7))
    assert [len(batch.lines) for batch in provider.batches] == [3, 3, 1]
    assert [found[f"q-{number}"] for number in range(7)] == [f"answer to question {number}" for number in range(7)]


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, "ä"])
async def test_custom_ids_that_a_provider_would_refuse_are_refused_here(bad: str, tmp_path: Path) -> None:
    transport = OpenAiBatches(Endpoint(name="n", provider="openai", base_url="http://127.0.0.1:9", model="m"))
    with pytest.raises(ValueError, match="no custom id"):
        await run_batch([BatchItem(bad, (), 1)], transport, tmp_path / "state.json")
    with pytest.raises(ValueError, match="twice"):
        await run_batch([BatchItem("a", (), 1), BatchItem("a", (), 1)], transport, tmp_path / "state.json")
    assert not (tmp_path / "state.json").exists()
