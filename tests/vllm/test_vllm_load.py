"""The real server with more to do than it can at once: lanes, refusals, and calls that nobody waits for any more."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import aclosing

import pytest
from opswire.chassis.embedded.vllm_server import VllmServer
from opswire.chassis.inference.call import Lane, Reply
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.errors import InferenceOverloadedError
from opswire.chassis.inference.priority import heeds_priority
from vllm_scene import CALLS_AT_ONCE, LONG_TOKENS, QUEUED_CALLS_MAX, a_call, client_of, counted, endpoint_of, until

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]
BULK_CALLS = 4 * CALLS_AT_ONCE
INTERACTIVE_CALLS = 5
ATTEMPTS_MAX = 5


def waited_ms(replies: list[Reply[str]]) -> float:
    """The median of the time that the server let calls wait."""
    waits = [reply.timing.queue_ns / 1e6 for reply in replies if reply.timing is not None]
    assert len(waits) == len(replies)
    return statistics.median(waits)


async def under_bulk_load(client: InferenceClient) -> float:
    """How long interactive calls that come behind many bulk calls wait, as a share of what the bulk calls wait.

    All are sent in one turn of the loop: a pause of this process after it changes nothing any more.
    """
    await client.warm([])
    # Of different lengths, so that places become free one by one, and soon.
    bulk = [a_call(f"bulk {number}", 40 + 60 * (number % CALLS_AT_ONCE), Lane.BULK) for number in range(BULK_CALLS)]
    urgent = [a_call(f"now {number}", 4) for number in range(INTERACTIVE_CALLS)]
    replies = await asyncio.gather(*[asyncio.create_task(client.complete(call)) for call in [*bulk, *urgent]])
    return waited_ms(replies[BULK_CALLS:]) / waited_ms(replies[:BULK_CALLS])


async def met_a_queue(client: InferenceClient, share_min: float) -> float:
    """The share, measured again where the interactive calls met no queue: this process paused between two sends."""
    for _ in range(ATTEMPTS_MAX):
        share = await under_bulk_load(client)
        if share > share_min:
            return share
    raise AssertionError(f"{ATTEMPTS_MAX} times the bulk calls were done before the interactive ones came")


async def test_interactive_calls_go_before_bulk_ones_and_only_by_their_priority(vllm: VllmServer) -> None:
    """Both shares from one run on one server: with the field sent, and without it as the control."""
    # Our own queue must not be what orders them.
    wide = {"concurrency_max": 4 * BULK_CALLS, "retries_max": 3}
    async with client_of(endpoint_of(vllm, **wide, sends_priority=False)) as client:
        without = await met_a_queue(client, share_min=1.0)
    async with client_of(endpoint_of(vllm, **wide)) as client:
        with_priority = await met_a_queue(client, share_min=0.001)
    assert with_priority < without / 2, (with_priority, without)


async def test_a_full_server_refuses_and_is_well_afterwards(vllm: VllmServer) -> None:
    refused_before = await counted(vllm, "vllm:admission_rejections_total")
    settings = {"concurrency_max": 4 * QUEUED_CALLS_MAX, "retries_max": 0}
    async with client_of(endpoint_of(vllm, **settings)) as client:
        calls = [client.complete(a_call(f"many {number}", 200)) for number in range(2 * QUEUED_CALLS_MAX)]
        found = await asyncio.gather(*calls, return_exceptions=True)
    answered = [one for one in found if isinstance(one, Reply)]
    refused = [one for one in found if isinstance(one, InferenceOverloadedError)]
    assert len(answered) + len(refused) == len(found), [one for one in found if isinstance(one, Exception)][:3]
    assert len(answered) >= QUEUED_CALLS_MAX
    assert refused
    assert await counted(vllm, "vllm:admission_rejections_total") - refused_before >= 1
    async with client_of(endpoint_of(vllm)) as client:
        assert (await client.complete(a_call())).text


async def test_a_cancelled_call_frees_the_server(vllm: VllmServer) -> None:
    finished = await counted(vllm, "vllm:request_success_total")
    async with client_of(endpoint_of(vllm)) as client:
        call = asyncio.create_task(client.complete(a_call(max_tokens=LONG_TOKENS)))
        await until(lambda: runs(vllm, 1))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: runs(vllm, 0))
    # Aborted calls are counted nowhere; one that had gone on to its end would be here.
    assert await counted(vllm, "vllm:request_success_total") == finished


async def test_a_stream_that_nobody_reads_on_frees_the_server(vllm: VllmServer) -> None:
    finished = await counted(vllm, "vllm:request_success_total")
    async with client_of(endpoint_of(vllm)) as client:
        async with aclosing(client.stream(a_call(max_tokens=LONG_TOKENS))) as stream:
            assert (await anext(stream)).reply is None
        await until(lambda: runs(vllm, 0))
    # Aborted calls are counted nowhere; one that had gone on to its end would be here.
    assert await counted(vllm, "vllm:request_success_total") == finished


async def runs(server: VllmServer, calls: int) -> bool:
    """Whether so many calls are under way there."""
    return await counted(server, "vllm:num_requests_running") == calls


async def test_whether_a_server_heeds_priorities_can_be_found_out(vllm: VllmServer) -> None:
    """The same server, asked without the field, does what one does that ignores it."""
    assert await heeds_priority(endpoint_of(vllm)) is True
    assert await heeds_priority(endpoint_of(vllm, sends_priority=False)) is not True
