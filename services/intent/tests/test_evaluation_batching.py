"""The batch lane under an evaluation: what waits together goes together, at the price of a batch."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opswire.chassis.inference.batch.items import BatchResult, Failure
from opswire.chassis.inference.batch.transport import BatchStatus, Handed, Waiting
from opswire.chassis.inference.call import InferenceCall, Message, OutputSchema, Usage
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import InferenceRefusedError, ReplyCutError
from opswire.intent.evaluation.batching import BatchModel, Lane

ENDPOINT = Endpoint(
    name="openai",
    provider="openai",
    base_url="https://api.openai.com/v1",
    model="some",
    input_usd_per_million_tokens=10,
    output_usd_per_million_tokens=20,
)


class Provider:
    """Takes batches and ends each at once; `answers` decides by the words of an item."""

    identity = "a provider"
    items_max = 1_000

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def submit(self, handed: Handed, /) -> str:
        self.sizes.append(len(handed.items))
        return handed.label

    async def find(self, handed: Handed, /) -> str | None:
        return None

    async def poll(self, _: str, /) -> BatchStatus:
        return BatchStatus(is_ended=True)

    async def collect(self, _: str, handed: Handed, /) -> AsyncIterator[BatchResult]:
        for item in handed.items:
            words = item.messages[-1].content
            usage = Usage(1_000, 100)
            if words == "refused":
                yield BatchResult(item.custom_id, None, failure=Failure.REFUSED, detail="not this one")
            else:
                reason = "length" if words == "cut" else "stop"
                yield BatchResult(item.custom_id, json.dumps({"said": words}), reason, usage)

    async def close(self) -> None:
        """Nothing is open."""


async def at_once(_: float) -> None:
    """No waiting."""


def call(words: str) -> InferenceCall:
    return InferenceCall("test", (Message("user", words),), time.time_ns() + 10**10, 16)


SCHEMA = OutputSchema("said", {"type": "object"}, lambda data: str(json.loads(data)["said"]))


def model_of(provider: Provider, folder: Path, readers: int) -> BatchModel:
    lane = Lane(ENDPOINT, provider, folder, is_discounted=True, waiting=Waiting(sleep=at_once))
    return BatchModel(lane, readers, lambda _: None)


async def test_calls_that_wait_for_each_other_are_one_batch_and_equal_ones_one_item(tmp_path: Path) -> None:
    provider = Provider()
    model = model_of(provider, tmp_path, readers=4)

    async def read(words: str, times: int) -> list[str]:
        try:
            return [(await model.decide(call(f"{words}{turn}"), SCHEMA)).value for turn in range(times)]
        finally:
            model.reader_is_done()

    found = await asyncio.gather(read("a", 2), read("a", 2), read("b", 1), read("c", 0))
    assert found == [["a0", "a1"], ["a0", "a1"], ["b0"], []]
    assert provider.sizes == [2, 1]
    model.forget()
    assert list(tmp_path.iterdir()) == []


async def test_a_batch_costs_the_price_of_a_batch(tmp_path: Path) -> None:
    reply = await model_of(Provider(), tmp_path, readers=1).decide(call("x"), SCHEMA)
    assert reply.cost_usd == pytest.approx(0.5 * (1_000 * 10 + 100 * 20) / 1e6)
    assert (reply.usage, reply.endpoint) == (Usage(1_000, 100), "openai")


async def test_a_refused_item_and_a_cut_reply_are_errors_of_their_own_request(tmp_path: Path) -> None:
    model = model_of(Provider(), tmp_path, readers=3)
    found = await asyncio.gather(
        *(model.decide(call(words), SCHEMA) for words in ("refused", "cut", "fine")), return_exceptions=True
    )
    assert isinstance(found[0], InferenceRefusedError)
    assert isinstance(found[1], ReplyCutError)
    assert not isinstance(found[2], BaseException)
    assert found[2].value == "fine"
    # The reply that was cut was paid for too.
    assert model.seen == Usage(2_000, 200)
